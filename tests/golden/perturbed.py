"""Perturbation methods: occlusion, LIME and Kernel SHAP."""

from __future__ import annotations

import itertools

import numpy as np
from lime.lime_base import LimeBase
from scipy.special import comb
from sklearn.linear_model import Ridge

from draws import stream
from owen import shapley
from units import Game, Question



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


def combinations(n: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """All combinations of units, and how often each is among `count` samples on average."""
    rows = np.array([*itertools.product((0, 1), repeat=n)])
    absent = n - rows.sum(1)
    return rows, np.where(absent == 0, 1, (count - 1) / (n * comb(n, absent)))


def lime(
    question: Question,
    max_evals: int,
    unit: str,
    replacement: str,
    tolerance: float,
    kernel_width: float = 25.0,  # lime's default for texts
    alpha: float = 1.0,
) -> dict:
    """Ribeiro et al. 2016: the coefficients of lime's ridge regression on all units.

    A sample's distance is 100 times the cosine distance of its row to the first row: with k of n
    units, 100 (1 - sqrt(k / n)). The intercept is not penalized; r2 is weighted too. Of up to 8
    units all combinations are used, if they are at most `max_evals`.
    """
    assert tolerance == 0
    game = Game(question, unit, replacement)
    if len(game) <= 8 and 2 ** len(game) <= max_evals:
        rows, times = combinations(len(game), max_evals)
    else:
        rows, times = neighbours(question.seed, len(game), max_evals), 1.0
    values = np.array([[game(row)] for row in rows])
    distances = 100 * (1 - np.sqrt(rows.sum(1) / len(game)))
    base = LimeBase(lambda d: times * np.sqrt(np.exp(-(d**2) / kernel_width**2)))
    intercept, ranked, r2, _ = base.explain_instance_with_data(
        rows,
        values,
        distances,
        0,
        len(game),
        feature_selection="none",
        model_regressor=Ridge(alpha=alpha, fit_intercept=True),
    )
    coefficients = dict(ranked)
    return {
        "token": game.spread([coefficients[number] for number in range(len(game))]),
        "fit": {"intercept": float(intercept), "r2": float(r2)},
    }


# Kernel SHAP.


def kernel_shap(
    question: Question, max_evals: int, unit: str, replacement: str, tolerance: float
) -> dict:
    """Lundberg & Lee 2017: Shapley values, of all coalitions."""
    game = Game(question, unit, replacement)
    assert tolerance == 0 and 2 ** len(game) <= max_evals, len(game)
    return {"token": game.spread(shapley(game)), "baseline_value": game.empty}
