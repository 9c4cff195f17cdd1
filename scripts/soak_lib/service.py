"""The process under load: started with a configuration of its own, watched, stopped."""

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

from .texts import MARKERS

# Half of the time that a request has is how far ahead work is taken in: with less than
# the default the queue is full before callers by the hundred are needed for it.
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

# The one model that is meant to fail.
BROKEN = "broken"
FAULT = re.compile(r"panicked| ERROR |internal error")
MEANT = f'a model could not be loaded id="{BROKEN}"'


class Service:
    """A running process; `address` is where it listens."""

    def __init__(self, binary, folder, name, limits="", environment=None, before=()):
        """`limits` are lines for the configuration's section of that name, `before` is what
        the command is run by."""
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
        """Kibibytes in memory, threads, open files."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        number = lambda name: int(re.search(rf"{name}:\s+(\d+)", status)[1])
        return number("VmRSS"), number("Threads"), len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def watch(self, tally, over):
        """Takes a sample each second, on a thread of its own."""
        def work():
            while not over.wait(1):
                if self.process.poll() is not None:
                    tally.violation(f"the service ended by itself: {self.process.returncode}")
                    return
                tally.samples.append((time.monotonic() - tally.began, *self.sample()))
        threading.Thread(target=work, daemon=True).start()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self):
        """The exit status; none where it does not end in time."""
        try:
            return self.process.wait(DRAIN_MS / 1000 + 5)
        except subprocess.TimeoutExpired:
            return None

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def judge_log(self, tally):
        """Nothing failed within, and no text of a caller was written down."""
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if FAULT.search(line) and MEANT not in line:
                    tally.violation("a fault in the log", line.strip()[:500].encode())
                if any(marker in line for marker in MARKERS):
                    tally.violation("a caller's text in the log", line.strip()[:500].encode())
