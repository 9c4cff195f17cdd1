"""Compares rules of integrated gradients: how far scores are from 300 Gauss-Legendre nodes, and how many nodes a
criterion of convergence takes.

    python benches/quadrature.py MODEL_FOLDER TEXTS [--tolerance 0.01 0.05 …]

TEXTS has a text per line. `corrected` adds c_t (F(x) - F(x') - Q(D)) to each token's score: Q(D) is the sum of the
scores, and c_t the regression of the token's integrand on the sum of all tokens', over the nodes. Needs
tests/golden/requirements.txt.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/golden"))
from reference import Reference  # noqa: E402

LARGEST = 129
RULES = (9, 17, 33, 65, LARGEST)


@dataclass
class PathValues:
    """The integrand at the nodes of the largest rule, [nodes, tokens], and what it integrates to."""

    integrand: np.ndarray
    exact: np.ndarray
    change: float

    def at(self, nodes: int) -> np.ndarray:
        return self.integrand[:: (LARGEST - 1) // (nodes - 1)]

    def plain(self, nodes: int) -> np.ndarray:
        return weights(nodes) @ self.at(nodes)

    def corrected(self, nodes: int) -> np.ndarray:
        values, scores = self.at(nodes), self.plain(nodes)
        sums = values.sum(1)
        own = weights(nodes) * (sums - weights(nodes) @ sums)
        slopes = own @ (values - scores) / max(own @ sums, 1e-300)
        return scores + slopes * (self.change - scores.sum())

    def error(self, scores: np.ndarray) -> float:
        return np.linalg.norm(scores - self.exact) / np.linalg.norm(self.exact)


def weights(nodes: int) -> np.ndarray:
    """The trapezoid rule with Gregory's first end correction, as in src/attribution/nested.rs."""
    own = np.ones(nodes)
    own[[0, -1]], own[[1, -2]] = 5 / 12, 13 / 12
    return own / (nodes - 1)


def path_values(reference: Reference, text: str) -> PathValues:
    """From padding to the text, for the logit of the predicted class."""
    encoded = reference.encode(text, None)
    with torch.no_grad():
        target = int(reference.forward(*encoded.model_args).logits[0].argmax())
    scalar = reference.from_layer("word_embeddings", reference.scalar(encoded, "logit", {"index": target}))
    embed = reference.layers["word_embeddings"]
    start, end = embed(reference.replaced_ids(encoded, "pad")).detach(), embed(encoded.input_ids).detach()
    nodes, gauss = np.polynomial.legendre.leggauss(300)
    alphas = np.concatenate([np.linspace(0, 1, LARGEST), (nodes + 1) / 2])
    found, values = [], []
    for some in np.array_split(alphas, len(alphas) // 64 + 1):
        points = start + torch.tensor(some, dtype=start.dtype)[:, None, None] * (end - start)
        points.requires_grad_(True)
        value = scalar(points, *(ids.expand(len(some), -1) for ids in encoded.model_args))
        (gradient,) = torch.autograd.grad(value.sum(), points)
        found.append((gradient * (end - start)).sum(-1).double().numpy())
        values.append(value.detach().double().numpy())
    integrand, values = np.concatenate(found), np.concatenate(values)
    return PathValues(integrand[:LARGEST], gauss / 2 @ integrand[LARGEST:], values[LARGEST - 1] - values[0])


def steps(path: PathValues, tolerance: float, largest_move: float) -> int:
    """The nodes at which automatic steps end."""
    for nodes in RULES:
        scores, before = path.plain(nodes), path.plain(max(nodes // 2 + 1, 5))
        adds_up = abs(scores.sum() - path.change) <= tolerance * abs(scores).sum()
        if adds_up and np.linalg.norm(scores - before) <= largest_move * np.linalg.norm(scores):
            return nodes
    return LARGEST


def errors(paths: list[PathValues]) -> None:
    print("| nodes | plain: median, largest | corrected: median, largest | corrected is nearer |\n|---|---|---|---|")
    for nodes in (9, 17, 33):
        plain = [path.error(path.plain(nodes)) for path in paths]
        corrected = [path.error(path.corrected(nodes)) for path in paths]
        nearer = sum(a < b for a, b in zip(corrected, plain, strict=True))
        cells = (f"{np.median(each):.1e}, {max(each):.1e}" for each in (plain, corrected))
        print(f"| {nodes} | {' | '.join(cells)} | {nearer} of {len(paths)} |")


def criteria(paths: list[PathValues], tolerances: list[float]) -> None:
    print("\n| tolerance | largest move | mean steps | error: median, largest | over the tolerance | the same, corrected |")
    print("|---|---|---|---|---|---|")
    for tolerance in tolerances:
        for move in sorted({5 * tolerance, 8 * tolerance, min(5 * tolerance, 0.5 * tolerance**0.5)}):
            nodes = [steps(path, tolerance, move) for path in paths]
            plain = [path.error(path.plain(n)) for path, n in zip(paths, nodes, strict=True)]
            corrected = [path.error(path.corrected(n)) for path, n in zip(paths, nodes, strict=True)]
            over = [sum(error > tolerance for error in each) for each in (plain, corrected)]
            print(
                f"| {tolerance} | {move:.3g} | {np.mean(nodes):.1f} | {np.median(plain):.1e}, {max(plain):.1e} "
                f"| {over[0]} of {len(paths)} | {over[1]} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--tolerance", type=float, nargs="+", default=[0.2, 0.05, 0.01])
    given = parser.parse_args()
    torch.set_num_threads(1)
    reference = Reference(given.model, torch.float32)
    texts = [line for line in given.texts.read_text(encoding="utf-8").splitlines() if line.strip()]
    fitting = [text for text in texts if len(reference.encode(text, None).tokens) <= reference.max_tokens]
    paths = [path_values(reference, text) for text in fitting]
    print(f"{given.model.name}: {len(paths)} texts\n")
    errors(paths)
    criteria(paths, given.tolerance)


if __name__ == "__main__":
    main()
