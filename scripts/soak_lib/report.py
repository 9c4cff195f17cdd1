"""Checks of the results, and a table of them."""

from collections import defaultdict
from statistics import median

# Maximum growth of memory after warm-up, as a share.
GROWTH = 0.05
WARM_UP = 0.2
# Requests in flight change memory by a sixth within seconds, so medians are over a quarter of the
# time.
WINDOW = 0.25
MINUTES_TO_JUDGE = 5
# Maximum time of /livez and /readyz under load.
PROBE_SECONDS = 5


class Memory:
    """Median memory in the first window after warm-up and in the last window, in MiB."""

    def __init__(self, samples, seconds):
        start, width = seconds * WARM_UP, seconds * WINDOW
        window = lambda a, b: [kib for at, kib, *_ in samples if a <= at < b]
        early, late = window(start, start + width), window(seconds - width, seconds)
        self.early = median(early) / 1024 if early else 0
        self.late = median(late) / 1024 if late else 0
        self.most = max((kib for _, kib, *_ in samples), default=0) / 1024

    def growth(self):
        return self.late / self.early - 1 if self.early else 0


def judge_memory(tally, memory, minutes):
    if minutes >= MINUTES_TO_JUDGE and memory.growth() > GROWTH:
        tally.violation(f"memory grew by {memory.growth():.1%} after warm-up")


def judge_probes(tally, minutes):
    """Short runs use unoptimized builds, so that their speed is not checked."""
    if minutes >= MINUTES_TO_JUDGE and tally.slowest_probe > PROBE_SECONDS:
        tally.violation(f"/livez or /readyz took {tally.slowest_probe:.1f} s")


def judge_rest(tally, before, after):
    """Threads and open files must return to their numbers before the load."""
    for name, was, now in zip(("threads", "open files"), before[1:], after[1:]):
        if now > was + 4:
            tally.violation(f"{name}: {was} before the load, {now} after it")


def progress(tally):
    with tally.lock:
        statuses = defaultdict(int)
        for (_, outcome), count in tally.outcomes.items():
            statuses[outcome if outcome.isdigit() else "other"] += count
        verified, wrong = sum(tally.verified.values()), sum(tally.violations.values())
    by_status = " ".join(f"{status}:{count}" for status, count in sorted(statuses.items()))
    memory = tally.samples[-1][1] // 1024 if tally.samples else 0
    at = int(tally.samples[-1][0]) if tally.samples else 0
    parts = (f"{at // 60}:{at % 60:02}", by_status, f"verified {verified}", f"{memory} MiB",
             f"violations {wrong}")
    return " | ".join(parts)


def percentile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def table(tally, memory, facts):
    """Returns the tables as Markdown."""
    kinds = defaultdict(list)
    for (kind, outcome), count in sorted(tally.outcomes.items()):
        kinds[kind].append(f"{outcome}: {count:,}")
    lines = ["| requests | responses |", "|---|---|"]
    lines += [f"| {kind} | {', '.join(outcomes)} |" for kind, outcomes in kinds.items()]
    lines += ["", "| figure | value |", "|---|---|"]
    latencies = sorted(tally.latencies) or [0]
    overloaded = tally.count("429")
    rows = {
        "offered load": f"{tally.offered / max(tally.answered, 1e-9):.1f} times the capacity",
        "answers verified bit for bit": f"{tally.verified['exact']:,}",
        "answers limited by time, verified by form": f"{tally.verified['by form']:,}",
        "latency of valid requests, p50": f"{percentile(latencies, 0.5) * 1e3:.0f} ms",
        "latency of valid requests, p99": f"{percentile(latencies, 0.99) * 1e3:.0f} ms",
        "refused as overloaded (429)": f"{overloaded:,}",
        "probes of /livez and /readyz": f"{tally.probes:,}",
        "slowest probe": f"{tally.slowest_probe * 1e3:.0f} ms",
        "memory after warm-up": f"{memory.early:.0f} MiB",
        "memory at the end": f"{memory.late:.0f} MiB ({memory.growth():+.1%})",
        "peak memory": f"{memory.most:.0f} MiB",
        **facts,
        "violations": f"{sum(tally.violations.values()):,}",
    }
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(lines)


def violations(tally):
    """Lists the violations, each with an example of a request."""
    lines = []
    for what, count in tally.violations.most_common():
        lines.append(f"{count} x {what}")
        if example := tally.examples[what]:
            lines.append(f"    {example[:1500]!r}")
    return "\n".join(lines)
