"""Perturbation methods: occlusion, LIME and Kernel SHAP."""

from __future__ import annotations

import itertools
import math

import numpy as np
from lime.lime_base import LimeBase
from scipy.special import binom

from draws import stream
from units import Game, Question

KERNEL_WIDTH = 25.0  # lime's default for texts


def occlusion(question: Question, unit: str, replacement: str) -> dict:
    """Zeiler & Fergus 2014: the scalar minus the scalar without the unit."""
    game = Game(question, unit, replacement)
    rows = 1 - np.eye(len(game), dtype=int)
    return {"token": game.spread([game.full - game(row) for row in rows])}


# LIME.


def neighbours(seed: int, n: int, count: int) -> np.ndarray:
    """A row per sample with 1 for each present unit; the first row has all.

    As in lime.lime_text: each other sample draws the number of absent units, 1 to n, and then the
    units. All draws are from stream 0.
    """
    draws = stream(seed, 0)
    rows = np.ones((count, n))
    for row in rows[1:]:
        row[draws.subset(n, 1 + draws.below(n))] = 0
    return rows


def kernel(distances: np.ndarray) -> np.ndarray:
    """lime's weights of the samples."""
    return np.sqrt(np.exp(-(distances**2) / KERNEL_WIDTH**2))


def lime(question: Question, max_evals: int, unit: str, replacement: str) -> dict:
    """Ribeiro et al. 2016: the coefficients of lime's ridge regression on all units.

    A sample's distance is 100 times the cosine distance of its row to the first row: with k of n
    units, 100 (1 - sqrt(k / n)). The intercept is not penalized; r2 is weighted too.
    """
    game = Game(question, unit, replacement)
    rows = neighbours(question.seed, len(game), max_evals)
    values = np.array([[game(row)] for row in rows])
    distances = 100 * (1 - np.sqrt(rows.sum(1) / len(game)))
    intercept, ranked, r2, _ = LimeBase(kernel).explain_instance_with_data(
        rows, values, distances, 0, len(game), feature_selection="none"
    )
    coefficients = dict(ranked)
    return {
        "token": game.spread([coefficients[number] for number in range(len(game))]),
        "fit": {"intercept": float(intercept), "r2": float(r2)},
    }


# Kernel SHAP.


def coalitions(seed: int, n: int, max_evals: int) -> tuple[np.ndarray, np.ndarray]:
    """The coalitions of shap's KernelExplainer for n > 1 units, and their weights.

    Two evaluations are for all units and for none, so that m = max_evals - 2 coalitions remain, or
    all 2^n - 2. There are S = ceil((n - 1) / 2) subset sizes; each of the first
    P = floor((n - 1) / 2) includes the complements (for an even n, the size n / 2 has none). The
    weight of size s is (n - 1) / (s (n - s)), doubled if paired, divided by the sum of all.

    1. Complete sizes, from 1 up: while left * share[s] / (coalitions of the size, with complements)
       >= 1 - 1e-8, all of them are added, in lexicographic order, each followed by its
       complement, with the size's weight divided by their number. `left` is reduced by that
       number, and every share is divided by 1 - share[s] (unless that is 0).
    2. The remaining budget is used for coalitions drawn from stream 0. A draw is a uniform number,
       which selects the first remaining size whose cumulative share exceeds it (shares are the
       weights, halved if paired, normalized to sum to 1), and then the members, by `subset`. A new
       coalition is added with weight 1, and if its size is paired and the budget is not used up,
       followed by its complement. A repeated one adds 1 to the weight of its row, and to the
       complement's. This ends when the budget is used up or after 4 * budget draws.
    3. The weights of step 2 are scaled to sum to the weights of their sizes.
    """
    sizes, paired = math.ceil((n - 1) / 2), (n - 1) // 2
    budget = max_evals - 2 if n > 30 else min(max_evals - 2, 2**n - 2)
    weights = np.array([(n - 1.0) / (s * (n - s)) for s in range(1, sizes + 1)])
    weights[:paired] *= 2
    weights /= weights.sum()
    rows, row_weights = whole_sizes(n, budget, weights, paired)
    full = len({min(sum(row), n - sum(row)) for row in rows})
    if full != sizes:
        drawn, counts = drawn_coalitions(seed, n, budget - len(rows), weights, paired, full)
        rows += drawn
        row_weights += list(np.array(counts) * (weights[full:].sum() / sum(counts)))
    return np.array(rows, dtype=float), np.array(row_weights)


def whole_sizes(n: int, left: float, weights: np.ndarray, paired: int) -> tuple[list, list]:
    """Step 1 of `coalitions`."""
    rows, row_weights = [], []
    shares = weights.copy()
    for size, weight in enumerate(weights, start=1):
        both = 2 if size <= paired else 1
        count = binom(n, size) * both
        if left * shares[size - 1] / count < 1.0 - 1e-8:
            break
        left -= count
        if shares[size - 1] < 1.0:
            shares /= 1 - shares[size - 1]
        for members in itertools.combinations(range(n), size):
            row = tuple(int(unit in members) for unit in range(n))
            rows += [row, complement(row)][:both]
            row_weights += [weight / binom(n, size) / both] * both
    return rows, row_weights


def drawn_coalitions(
    seed: int, n: int, budget: int, weights: np.ndarray, paired: int, full: int
) -> tuple[list, list]:
    """Step 2 of `coalitions`, for sizes above `full`."""
    shares = weights.copy()
    shares[:paired] /= 2
    shares = shares[full:] / shares[full:].sum()
    draws = stream(seed, 0)
    rows, counts, indices = [], [], {}
    for _ in range(4 * budget):
        if len(rows) == budget:
            break
        size = full + 1 + chosen(shares, draws.uniform())
        members = draws.subset(n, size)
        row = tuple(int(unit in members) for unit in range(n))
        new = row not in indices
        if new:
            indices[row] = len(rows)
            rows.append(row)
            counts.append(1.0)
        else:
            counts[indices[row]] += 1.0
        if len(rows) < budget and size <= paired:
            if new:
                rows.append(complement(row))
                counts.append(1.0)
            else:
                counts[indices[row] + 1] += 1.0
    return rows, counts


def complement(row: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(1 - present for present in row)


def chosen(shares: np.ndarray, uniform: float) -> int:
    """The first index whose cumulative share exceeds the number, or the last."""
    total = 0.0
    for index, share in enumerate(shares):
        total += share
        if uniform < total:
            return index
    return len(shares) - 1


def kernel_shap(question: Question, max_evals: int, unit: str, replacement: str) -> dict:
    """Lundberg & Lee 2017, without l1: least squares under the constraint that the scores sum to
    the difference from the text without any unit. A single unit gets all of it."""
    game = Game(question, unit, replacement)
    rise = game.full - game.empty
    if len(game) == 1:
        scores = np.array([rise])
    else:
        rows, weights = coalitions(question.seed, len(game), max_evals)
        values = np.array([game(row) for row in rows])
        scores = constrained(rows, weights, values - game.empty, rise)
    return {"token": game.spread(scores), "baseline_value": game.empty}


def constrained(
    rows: np.ndarray, weights: np.ndarray, rises: np.ndarray, rise: float
) -> np.ndarray:
    """shap's solution: the constraint eliminates the last unit; scores below 1e-10 become 0."""
    features = rows[:, :-1] - rows[:, -1:]
    weighted = weights[:, None] * features
    rest = rises - rows[:, -1] * rise
    scores = np.linalg.solve(features.T @ weighted, weighted.T @ rest)
    scores = np.append(scores, rise - sum(scores))
    scores[np.abs(scores) < 1e-10] = 0.0
    return scores
