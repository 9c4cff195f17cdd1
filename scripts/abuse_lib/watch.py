"""Measures memory and the latency of probes during an attack."""

import threading
import time

from soak_lib.wire import Connection, Lost, message

PERIOD = 0.02


class Watch:
    """Samples memory and requests /livez and /readyz until the `with` block ends."""

    def __init__(self, service):
        self.service = service
        self.over = threading.Event()
        self.peak = service.sample()[0]
        self.before = self.peak
        self.probes, self.failed = [], []
        work = [self.memory] + [self.prober(path) for path in ("/livez", "/readyz")]
        self.threads = [threading.Thread(target=each, daemon=True) for each in work]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(60)

    def memory(self):
        while not self.over.wait(PERIOD):
            if self.service.process.poll() is not None:
                return
            self.peak = max(self.peak, self.service.sample()[0])

    def prober(self, path):
        def work():
            while not self.over.wait(PERIOD):
                start = time.monotonic()
                try:
                    with Connection(self.service.address, patience=60) as connection:
                        status = connection.ask(message("GET", path)).status
                except (Lost, OSError) as lost:
                    status = f"no response ({lost})"
                self.probes.append(time.monotonic() - start)
                if status != 200:
                    self.failed.append(f"{path}: {status}")
        return work

    def p99(self):
        """The 99th percentile in milliseconds."""
        ranked = sorted(self.probes) or [0]
        return 1e3 * ranked[min(len(ranked) - 1, int(0.99 * len(ranked)))]

    def grown(self):
        """The largest memory growth in mebibytes."""
        return (self.peak - self.before) / 1024
