"""Errors of kernel_shap against exact Shapley values, beside shap's KernelExplainer at equal
evaluations, and the coverage of its standard errors. Talks to a running service, which also
evaluates shap's coalitions, as texts with [MASK] in place of words (POST /predict).

    pip install numpy shap
    EXPLAIND_LIMITS__REQUEST_MS=3600000 explaind --listen 127.0.0.1:8080
    python benches/shapley.py [--url URL] [--seeds 5] [--runs 200] [--words 6,11,...]
"""

from __future__ import annotations

import argparse
import json
import urllib.request
import warnings

import numpy as np
import shap

TEXTS = [
    "This movie is really great.",
    "The plot is not good, but the cast is.",
    "A tiger in a film, of all things, is fun!",
    "The plot is thin and the jokes are old, but the cast is so charming that I did not mind.",
    "I went in expecting very little, and for the first half hour the film gave me exactly that, "
    "but then the story turned, and I was surprised.",
    "It is not that the director has nothing to say, because the first act is clever and even "
    "moving, but the dialogue is so flat, and the ending so rushed, that I left tired.",
]
EVALUATIONS = [20, 50, 100, 200, 500, 1000, 2000]
MOST = 20_000
# For texts whose coalitions are too many: the mean of this many seeds with the most evaluations.
REFERENCES = 2


class Service:
    def __init__(self, url: str):
        self.url = url

    def post(self, path: str, body: dict) -> dict:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=3600) as response:
            return json.load(response)


class Game:
    """One text, and its predicted logit without some words."""

    def __init__(self, service: Service, text: str):
        self.service, self.text = service, text
        result = service.post("/explain", {"inputs": text, "methods": ["occlusion"]})["results"][0]
        self.words = result["words"]
        self.target = result["explanations"][0]["target"]["label"]
        self.known: dict[bytes, float] = {}

    def __len__(self) -> int:
        return len(self.words)

    def masked(self, row) -> str:
        parts, end = [], 0
        for word, present in zip(self.words, row):
            parts.append(self.text[end : word["start"]])
            mask = " " + " ".join(["[MASK]"] * len(word["tokens"])) + " "
            parts.append(self.text[word["start"] : word["end"]] if present else mask)
            end = word["end"]
        return "".join(parts)

    def __call__(self, rows) -> np.ndarray:
        rows = np.asarray(rows) > 0.5
        new = {row.tobytes(): row for row in rows if row.tobytes() not in self.known}
        new = list(new.items())
        for start in range(0, len(new), 32):
            part = new[start : start + 32]
            inputs = [self.masked(row) for _, row in part]
            for (key, _), result in zip(
                part, self.service.post("/predict", {"inputs": inputs})["results"]
            ):
                logits = {p["label"]: p["logit"] for p in result["predictions"]}
                self.known[key] = logits[self.target]
        return np.array([self.known[row.tobytes()] for row in rows])

    def kernel_shap(self, evaluations: int, seed: int, tolerance: float = 0.0) -> dict:
        method = {"name": "kernel_shap", "max_evals": evaluations, "tolerance": tolerance}
        body = {"inputs": self.text, "methods": [method], "seed": seed, "attention": False}
        one = self.service.post("/explain", body)["results"][0]["explanations"][0]
        return {
            "scores": np.array(one["attributions"]["word"]),
            "errors": np.array(one["standard_error"]["word"]),
            "n_samples": one["n_samples"],
            "converged": one["converged"],
        }

    def shaps(self, evaluations: int, seed: int, l1_reg) -> np.ndarray:
        """KernelExplainer; two of the evaluations are for all words and for none. NaN if it fails:
        its default needs more evaluations than words."""
        np.random.seed(seed)
        explainer = shap.KernelExplainer(self, np.zeros((1, len(self))))
        try:
            values = explainer.shap_values(
                np.ones((1, len(self))), nsamples=evaluations - 2, l1_reg=l1_reg, silent=True
            )
        except ValueError:
            return np.full(len(self), np.nan)
        return np.asarray(values)[0]

    def exact(self) -> np.ndarray:
        seeds = 1 if 2 ** len(self) <= MOST else REFERENCES
        return np.mean([self.kernel_shap(MOST, 10**6 + seed)["scores"] for seed in range(seeds)], 0)


def rms(errors, exact) -> float:
    """Root mean square over seeds of the Euclidean error, relative to the exact values' norm."""
    squares = [np.sum((scores - exact) ** 2) for scores in errors]
    return float(np.sqrt(np.mean(squares)) / np.linalg.norm(exact))


def side_by_side(game: Game, exact: np.ndarray, seeds: int) -> None:
    for evaluations in EVALUATIONS:
        if evaluations > 2 ** len(game):
            break
        rows = range(seeds)
        ours = rms([game.kernel_shap(evaluations, seed)["scores"] for seed in rows], exact)
        plain = rms([game.shaps(evaluations, seed, False) for seed in rows], exact)
        default = rms([game.shaps(evaluations, seed, "auto") for seed in rows], exact)
        print(
            f"| {len(game)} | {evaluations} | {100 * ours:.1f} % | {100 * plain:.1f} % "
            f"| {100 * default:.1f} % | {np.nanmin([plain, default]) / ours:.1f}x |",
            flush=True,
        )


def coverage(game: Game, exact: np.ndarray, runs: int) -> None:
    for evaluations in (24, 40, 100, 300):
        if evaluations > 2 ** len(game):
            break
        found = [game.kernel_shap(evaluations, seed) for seed in range(runs)]
        within = [np.abs(one["scores"] - exact) <= 2 * one["errors"] for one in found]
        mean = np.mean([one["scores"] for one in found], 0)
        bias = np.linalg.norm(mean - exact) / np.linalg.norm(exact)
        print(
            f"| {len(game)} | {evaluations} | {100 * np.mean(within):.1f} % "
            f"| {100 * rms([one['scores'] for one in found], exact):.1f} % | {100 * bias:.1f} % |",
            flush=True,
        )


def stopping(game: Game, exact: np.ndarray, seeds: int) -> None:
    found = [game.kernel_shap(MOST, seed, 0.05) for seed in range(seeds)]
    count = np.mean([one["n_samples"] for one in found])
    error = rms([one["scores"] for one in found], exact)
    print(f"| {len(game)} | {count:.0f} | {100 * error:.1f} % |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--words", help="numbers of words, to measure some texts only")
    parser.add_argument("--tables", default="errors,coverage,stopping")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    games = [Game(Service(arguments.url), text) for text in TEXTS]
    if arguments.words:
        wanted = {int(count) for count in arguments.words.split(",")}
        games = [game for game in games if len(game) in wanted]
    exact = [game.exact() for game in games]
    tables = arguments.tables.split(",")
    if "errors" in tables:
        print("| words | evaluations | kernel_shap | shap, l1_reg=False | shap, default | ratio |")
        print("|---|---|---|---|---|---|")
        for game, values in zip(games, exact):
            side_by_side(game, values, arguments.seeds)
    if "coverage" in tables:
        print("| words | evaluations | within 2 standard errors | error | error of the mean |")
        print("|---|---|---|---|---|")
        for game, values in zip(games, exact):
            if 2 ** len(game) <= MOST:
                coverage(game, values, arguments.runs)
    if "stopping" in tables:
        print("| words | evaluations until tolerance 0.05 | error |")
        print("|---|---|---|")
        for game, values in zip(games, exact):
            stopping(game, values, arguments.seeds)


if __name__ == "__main__":
    main()
