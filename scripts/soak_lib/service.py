"""The service process under test."""

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

from .texts import MARKERS

# Admission accepts work for half of this time. Shorter than the default, so that fewer clients can
# fill the queue.
REQUEST_MS = 20_000
DRAIN_MS = 30_000
ADMIN_KEY = "the-admin-key-of-the-soak"
AS_ADMIN = ("authorization", f"Bearer {ADMIN_KEY}")
CONFIG = f"""
[server]
listen = "127.0.0.1:0"
drain_ms = {DRAIN_MS}
admin_key = "{ADMIN_KEY}"

[limits]
request_ms = {REQUEST_MS}
"""

# The model that is expected to fail.
BROKEN = "broken"
FAULT = re.compile(r"panicked| ERROR |internal error")
MEANT = f'a model could not be loaded id="{BROKEN}"'


class Service:
    """A running service; `address` is the pair of host and port."""

    def __init__(self, binary, folder, name, limits="", environment=None, before=()):
        """`limits` are lines for that section of the configuration; `before` is a prefix of the
        command."""
        self.log = Path(folder) / f"{name}.log"
        config = Path(folder) / "service.toml"
        config.write_text(CONFIG + limits)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*before, Path(binary).resolve(), "--config", config],
                cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True,
                env={**os.environ, **(environment or {})})
        line = self.process.stdout.readline()
        if not line.startswith("listening on http://"):
            self.process.kill()
            raise SystemExit(f"{binary} did not start:\n{self.log.read_text()}")
        host, port = line.strip().rpartition("/")[2].rsplit(":", 1)
        self.address = host, int(port)

    def sample(self):
        """Returns resident kibibytes, threads and open files."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        number = lambda name: int(re.search(rf"{name}:\s+(\d+)", status)[1])
        return number("VmRSS"), number("Threads"), len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def watch(self, tally, over):
        """Samples every second on another thread."""
        def work():
            while not over.wait(1):
                if self.process.poll() is not None:
                    tally.violation(f"the service exited: {self.process.returncode}")
                    return
                tally.samples.append((time.monotonic() - tally.began, *self.sample()))
        threading.Thread(target=work, daemon=True).start()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        """Returns the exit status, or None after a timeout."""
        try:
            return self.process.wait(DRAIN_MS / 1000 + 5)
        except subprocess.TimeoutExpired:
            return None

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def judge_log(self, tally):
        """The log must have no errors and no texts of requests."""
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if FAULT.search(line) and MEANT not in line:
                    tally.violation("an error in the log", line.strip()[:500].encode())
                if any(marker in line for marker in MARKERS):
                    tally.violation("a text of a request in the log", line.strip()[:500].encode())
