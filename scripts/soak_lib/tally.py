"""Counters that all clients update and the report reads."""

import json
import sys
import threading
import time
from collections import Counter


class Tally:
    def __init__(self):
        self.lock = threading.Lock()
        self.began = time.monotonic()
        # (kind, outcome) -> count. An outcome is a status or another event.
        self.outcomes = Counter()
        # Description -> count, and one example request each.
        self.violations = Counter()
        self.examples = {}
        # Seconds of each successful valid request.
        self.latencies = []
        # Work that was requested and completed, in seconds when sent alone.
        self.offered = self.answered = 0.0
        # Responses equal to the expected one.
        self.verified = Counter()
        # Number of probes, and seconds of the slowest one.
        self.probes, self.slowest_probe = 0, 0.0
        # (seconds, kibibytes, threads, open files)
        self.samples = []

    def note(self, kind, outcome):
        with self.lock:
            self.outcomes[kind, str(outcome)] += 1

    def valid(self, request, seconds, done):
        with self.lock:
            self.offered += request.alone
            if done:
                self.answered += request.alone
                self.latencies.append(seconds)

    def pace(self):
        """Returns completed work per second: more than 1 due to batches and several cores."""
        with self.lock:
            return max(1.0, self.answered / (time.monotonic() - self.began))

    def probe(self, seconds):
        with self.lock:
            self.probes += 1
            self.slowest_probe = max(self.slowest_probe, seconds)

    def verify(self, how):
        with self.lock:
            self.verified[how] += 1

    def violation(self, what, example=b""):
        with self.lock:
            self.violations[what] += 1
            if what not in self.examples:
                self.examples[what] = example
                print(f"violation: {what}\n    {example[:1500]!r}", file=sys.stderr, flush=True)

    def count(self, outcome):
        with self.lock:
            return sum(n for (_, other), n in self.outcomes.items() if other == outcome)


def problem(tally, kind, answer, example=b""):
    """Returns the code of an error response, which must be a problem with the same status."""
    what = answer.headers.get("content-type")
    if what != "application/problem+json":
        tally.violation(f"{kind}: status {answer.status} as {what}", example)
        return None
    try:
        body = json.loads(answer.plain())
        if body["status"] == answer.status:
            return body["code"]
    except (ValueError, KeyError, TypeError):
        pass
    tally.violation(f"{kind}: an invalid problem with status {answer.status}", example)
    return None
