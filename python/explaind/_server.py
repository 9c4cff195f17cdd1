"""A service on this machine, shared by the clients of this process."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import subprocess
import sysconfig
import tempfile
import threading
from pathlib import Path

from explaind.errors import ServerError

READY = "listening on "
STOP_SECONDS = 15  # longer than the service needs by default to complete responses


def binary() -> str:
    """The path of the service's program: that of this package, otherwise one on the PATH."""
    name = "explaind.exe" if os.name == "nt" else "explaind"
    own = Path(sysconfig.get_path("scripts")) / name
    found = str(own) if own.is_file() else shutil.which(name)
    if found is None:
        raise ServerError(f"there is no program `explaind` in {own.parent} or on the PATH")
    return found


class LocalServer:
    """A service with the built-in models on a free port, until `stop` or the end of Python."""

    def __init__(self) -> None:
        self.admin_key = secrets.token_urlsafe()
        self._owner = os.getpid()
        self._folder = tempfile.TemporaryDirectory(prefix="explaind-")
        log = Path(self._folder.name) / "log"
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [binary(), "serve", "--listen", "127.0.0.1:0"],
                # The current directory may have a config/default.toml.
                cwd=self._folder.name,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        atexit.register(self.stop)
        self.url = self._wait_until_ready(log)

    def _environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("EXPLAIND_SERVER__")
        }
        inherited.setdefault("EXPLAIND_LOG__FILTER", "warn")
        return inherited | {"EXPLAIND_SERVER__ADMIN_KEY": self.admin_key}

    def _wait_until_ready(self, log: Path) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(READY):
                return line.removeprefix(READY).strip()
        status = self._process.wait()
        reason = log.read_text(errors="replace")[-2000:].strip()
        self.stop()
        raise ServerError(f"explaind ended with status {status}: {reason}")

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        # A child made by fork inherits this object, but not the service.
        if os.getpid() != self._owner:
            return
        atexit.unregister(self.stop)
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._folder.cleanup()


_lock = threading.Lock()
_shared: LocalServer | None = None


def shared() -> LocalServer:
    """The service of this process. Starts it if it is not running."""
    global _shared
    with _lock:
        if _shared is None or not _shared.running:
            if _shared is not None:
                _shared.stop()
            _shared = LocalServer()
        return _shared
