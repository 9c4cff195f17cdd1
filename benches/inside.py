#!/usr/bin/env python3
"""Compare the time of `inside: [conductance, head_importance]` with that of integrated gradients, on a running service.

    benches/inside.py --model sentiment-en --data dev.tsv [--texts 40] [--url http://127.0.0.1:8080]

Both are asked for in turn, three times per text, each time with another time limit so that no answer comes from the
cache. Prints quartiles of the ratio of the medians, and how many points both took.
"""

from __future__ import annotations

import argparse
import statistics
from collections import Counter
from pathlib import Path

from evidence import Service, sentences

VIEWS = ["conductance", "head_importance"]
RUNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--texts", type=int, default=40)
    flags = parser.parse_args()
    service = Service(flags.url, flags.model)
    ratios, points = [], Counter()
    for text in sentences(flags.data, flags.texts, 3):
        body = {"inputs": text, "attention": False, "truncate": True}
        plain, inside = [], []
        for run in range(RUNS):
            body["budget_ms"] = 50_000 + run
            result, ms = service.timed("/explain", body)
            plain.append(ms)
            views, ms = service.timed("/explain", {**body, "methods": [], "inside": VIEWS})
            inside.append(ms)
        ratios.append(statistics.median(inside) / statistics.median(plain))
        points[result["explanations"][0]["n_steps"], views["inside"]["conductance"]["n_steps"]] += 1
    low, middle, high = statistics.quantiles(ratios)
    print(f"time of {', '.join(VIEWS)} / time of integrated_gradients: median {middle:.2f}, quartiles {low:.2f} and {high:.2f}")
    for (own, views), texts in points.most_common():
        print(f"  {texts} texts: {own} and {views} points")


if __name__ == "__main__":
    main()
