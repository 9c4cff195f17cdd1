"""The judgement, and the figures behind it as a table."""

from collections import defaultdict
from statistics import median

# What memory may grow by after warm-up, and the load that is long enough to tell.
GROWTH = 0.05
WARM_UP = 0.2
# What is in flight makes it swing by a sixth within seconds: medians are of a quarter of
# the time, or they would tell more of the load than of the service.
WINDOW = 0.25
MINUTES_TO_JUDGE = 5
# The longest that /livez and /readyz may take while all cores are busy.
PROBE_SECONDS = 5


class Memory:
    """Medians of a window after warm-up and of the last one, in MiB."""

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
    """The short form is of a build that is not optimised: nothing is judged by its speed."""
    if minutes >= MINUTES_TO_JUDGE and tally.slowest_probe > PROBE_SECONDS:
        tally.violation(f"/livez or /readyz took {tally.slowest_probe:.1f} s")


def judge_rest(tally, before, after):
    """Threads and files come back to what they were before the load."""
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
    """Markdown."""
    kinds = defaultdict(list)
    for (kind, outcome), count in sorted(tally.outcomes.items()):
        kinds[kind].append(f"{outcome}: {count:,}")
    lines = ["| requests | answers |", "|---|---|"]
    lines += [f"| {kind} | {', '.join(found)} |" for kind, found in kinds.items()]
    lines += ["", "| figure | value |", "|---|---|"]
    latencies = sorted(tally.latencies) or [0]
    refused = tally.count("429")
    rows = {
        "work asked for": f"{tally.offered / max(tally.answered, 1e-9):.1f} times what was done",
        "answers verified to the bit": f"{tally.verified['exact']:,}",
        "answers that time stopped, verified by form": f"{tally.verified['by form']:,}",
        "latency of valid requests, p50": f"{percentile(latencies, 0.5) * 1e3:.0f} ms",
        "latency of valid requests, p99": f"{percentile(latencies, 0.99) * 1e3:.0f} ms",
        "refused as overloaded (429)": f"{refused:,}",
        "probes of /livez and /readyz": f"{tally.probes:,}",
        "slowest of them": f"{tally.slowest_probe * 1e3:.0f} ms",
        "memory after warm-up": f"{memory.early:.0f} MiB",
        "memory at the end": f"{memory.late:.0f} MiB ({memory.growth():+.1%})",
        "memory at most": f"{memory.most:.0f} MiB",
        **facts,
        "violations": f"{sum(tally.violations.values()):,}",
    }
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(lines)


def violations(tally):
    """Each with an example of what was sent."""
    lines = []
    for what, count in tally.violations.most_common():
        lines.append(f"{count} x {what}")
        if example := tally.examples[what]:
            lines.append(f"    {example[:1500]!r}")
    return "\n".join(lines)
