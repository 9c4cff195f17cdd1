#!/usr/bin/env python3
"""Benchmark POST /rules and POST /counterfactuals on labelled sentences, against a running service.

    benches/evidence.py --model sentiment-en --data dev.tsv [--rules 50] [--flips 200] [--url http://127.0.0.1:8080]

Anchors: rows with words tried by gradient and in text order; the precision of each anchor on fresh samples, drawn here
and predicted by POST /predict, and whether it lies within the reported bounds. Counterfactuals: the share of sentences
that have one, and the number of changed words.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
import urllib.request
from pathlib import Path


class Service:
    def __init__(self, url: str, model: str):
        self.url, self.model = url, model

    def post(self, path: str, body: dict) -> dict:
        body = {"model": self.model, **body}
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=600) as response:
            return json.load(response)

    def timed(self, path: str, body: dict) -> tuple[dict, float]:
        start = time.monotonic()
        answer = self.post(path, body)
        return answer["results"][0], (time.monotonic() - start) * 1e3

    def labels(self, texts: list[str]) -> list[str]:
        labels = []
        for i in range(0, len(texts), 64):
            results = self.post("/predict", {"inputs": texts[i : i + 64], "truncate": True})["results"]
            labels += [result["predictions"][0]["label"] for result in results]
        return labels


def sentences(path: Path, count: int, seed: int) -> list[str]:
    """Draw `count` random texts from a TSV file; the longest column of a row is the text."""
    rows = [line.rstrip("\n").split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    texts = [max(row, key=len) for row in rows]
    random.Random(seed).shuffle(texts)
    return texts[:count]


def fresh_precision(service: Service, text: str, rule: dict, samples: int, rng: random.Random) -> float:
    """Share of samples that keep the label if words outside the anchor are masked with probability 0.5."""
    explained = service.post("/explain", {"inputs": text, "methods": [], "attention": False, "truncate": True})
    held = {(word["start"], word["end"]) for word in rule["words_at"]}
    words = [word for word in explained["results"][0]["words"] if word["tokens"]]
    spoken = [word for word in words if any(c.isalnum() for c in word["text"])] or words
    texts = []
    for _ in range(samples):
        changed, at = "", 0
        for word in spoken:
            away = (word["start"], word["end"]) not in held and rng.random() < 0.5
            changed += text[at : word["start"]]
            changed += " ".join(["[MASK]"] * len(word["tokens"])) if away else text[word["start"] : word["end"]]
            at = word["end"]
        texts.append(changed + text[at:])
    labels = service.labels(texts)
    return sum(label == rule["then"] for label in labels) / samples


def rules(service: Service, texts: list[str], fresh: int) -> None:
    rng = random.Random(1)
    rows = {"gradient": [], "text": []}
    sizes = {"gradient": [], "text": []}
    times, inside, met, precisions = [], 0, 0, []
    for text in texts:
        for order in rows:
            body = {"inputs": text, "order": order, "max_rows": 20000, "truncate": True}
            result, ms = service.timed("/rules", body)
            rule = result["rules"][0]
            rows[order].append(rule["rows"])
            sizes[order].append(len(rule["if"]))
            if order == "gradient":
                times.append(ms)
                met += rule["met"]
                low, high = rule["precision_bounds"]
                again = fresh_precision(service, text, rule, fresh, rng)
                precisions.append(again)
                # Allow 3 standard errors for the measured share, from the share with two more
                # samples of each outcome (Agresti & Coull 1998).
                share = (again * fresh + 2) / (fresh + 4)
                slack = 3 * (share * (1 - share) / (fresh + 4)) ** 0.5
                inside += low - slack <= again <= high + slack
    mean = statistics.mean
    print(f"anchors of {len(texts)} sentences: {met} reach the precision")
    for order in rows:
        print(f"  {order:9} rows: mean {mean(rows[order]):.0f}, median {statistics.median(rows[order]):.0f}, "
              f"largest {max(rows[order])}; words of the anchor: mean {mean(sizes[order]):.2f}")
    print(f"  rows by gradient as a share of those in text order: {sum(rows['gradient']) / sum(rows['text']):.2f}")
    print(f"  precision on {fresh} fresh samples: mean {mean(precisions):.3f}, least {min(precisions):.3f}; "
          f"{inside} of {len(texts)} within the bounds")
    print(f"  ms by gradient: median {statistics.median(times):.0f}, largest {max(times):.0f}")
    trees, times = [], []
    for text in texts:
        result, ms = service.timed("/rules", {"inputs": text, "kind": "tree", "truncate": True})
        trees.append(result["rules"][0])
        times.append(ms)
    print(f"  trees: fidelity mean {mean(tree['fidelity'] for tree in trees):.3f}, of the most frequent label "
          f"{mean(tree['majority_fidelity'] for tree in trees):.3f}; ms: median {statistics.median(times):.0f}")


def flips(service: Service, texts: list[str]) -> None:
    edits, shares, rows, times, least = [], [], [], [], 0
    within = 0
    for text in texts:
        result, ms = service.timed("/counterfactuals", {"inputs": text, "truncate": True})
        times.append(ms)
        rows.append(result["rows"])
        if not result["counterfactuals"]:
            print("  none:", text)
            continue
        first = result["counterfactuals"][0]
        assert service.labels([one["text"] for one in result["counterfactuals"]]) == [
            one["prediction"]["label"] for one in result["counterfactuals"]
        ]
        edits.append(len(first["edits"]))
        shares.append(edits[-1] / result["words"])
        within += shares[-1] <= 0.2
        least += edits[-1] == 1 or shares[-1] <= 0.2
    count = len(texts)
    print(f"counterfactuals of {count} sentences: found for {len(edits)} ({len(edits) / count:.3f})")
    print(f"  words changed: mean {statistics.mean(shares):.3f} of the words, median {statistics.median(shares):.3f}; "
          f"edits: median {statistics.median(edits)}, largest {max(edits)}")
    print(f"  at most a fifth of the words: {within} ({within / count:.3f}); that, or a single word: {least} "
          f"({least / count:.3f})")
    print(f"  rows: mean {statistics.mean(rows):.0f}; ms: median {statistics.median(times):.0f}, largest {max(times):.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--rules", type=int, default=50)
    parser.add_argument("--flips", type=int, default=200)
    parser.add_argument("--fresh", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    service = Service(flags.url, flags.model)
    if flags.rules:
        rules(service, sentences(flags.data, flags.rules, flags.seed), flags.fresh)
    if flags.flips:
        flips(service, sentences(flags.data, flags.flips, flags.seed + 1))


if __name__ == "__main__":
    main()
