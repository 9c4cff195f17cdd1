"""What happened: counted by all callers, read by the report."""

import json
import sys
import threading
import time
from collections import Counter


class Tally:
    def __init__(self):
        self.lock = threading.Lock()
        self.began = time.monotonic()
        # (kind, outcome) -> how often. An outcome is a status or what was seen instead.
        self.outcomes = Counter()
        # What was wrong -> how often, and one example each.
        self.violations = Counter()
        self.examples = {}
        # Seconds of each valid request that had its answer.
        self.latencies = []
        # Seconds of work, as it takes alone, that was asked for and that was done.
        self.offered = self.answered = 0.0
        # Answers compared with what was expected.
        self.verified = Counter()
        # Of the prober, and of the slowest answer to it.
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
        """Seconds of work done per second: batches and a second core make it more than one."""
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
    """The code of an error's body, which must be a problem of the same status."""
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
    tally.violation(f"{kind}: a problem that does not fit its status {answer.status}", example)
    return None
