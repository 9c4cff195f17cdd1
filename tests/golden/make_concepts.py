"""Writes concepts.json: concepts learned from made-up states and gradients, by scikit-learn and numpy.

    python make_concepts.py

Per layer: the directions of the mean difference and of scikit-learn's LogisticRegression, fitted to all texts; accuracy and
area under the curve of five-fold cross-validation; the TCAV score, the mean derivative, and the p-value against random
splits, adjusted for the layers by min P (Westfall & Young 1993). Folds and splits are those of the service's generator.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from draws import stream

FOLDS, SPLITS = 5, 999


def folds(concept: np.ndarray, seed: int) -> np.ndarray:
    draws = stream(seed, 0)
    fold, following = np.zeros(len(concept), int), 0
    for side in (True, False):
        own = np.flatnonzero(concept == side)
        for chosen in draws.subset(len(own), len(own)):
            fold[own[chosen]] = following % FOLDS
            following += 1
    return fold


def mean_difference(states: np.ndarray, concept: np.ndarray):
    """The direction, and the position of any states along it."""
    own, other = states[concept].mean(0), states[~concept].mean(0)
    direction, middle = own - other, (own + other) / 2
    return direction, lambda x: (x - middle) @ direction / (direction @ direction / 2)


def logistic(states: np.ndarray, concept: np.ndarray):
    """scikit-learn's with C=1, on states of a mean variance of 1."""
    scale = np.sqrt(states.var(0).mean())
    fitted = LogisticRegression(C=1.0, tol=1e-12, max_iter=100_000, solver="newton-cholesky").fit(states / scale, concept)
    return fitted.coef_[0], lambda x: fitted.decision_function(x / scale)


def separation(rule, states: np.ndarray, concept: np.ndarray, fold: np.ndarray) -> dict:
    values = np.zeros(len(concept))
    for held in range(FOLDS):
        train = fold != held
        values[~train] = rule(states[train], concept[train])[1](states[~train])
    direction = rule(states, concept)[0]
    return {
        "direction": (direction / np.linalg.norm(direction)).tolist(),
        "hits": int(((values > 0) == concept).sum()),
        "auc": float(roc_auc_score(concept, values)),
    }


def response(states: np.ndarray, gradients: np.ndarray, split: np.ndarray) -> tuple[float, float, float, float]:
    direction = states[split].mean(0) - states[~split].mean(0)
    derivatives = gradients @ direction
    score, change = (derivatives > 0).mean(), derivatives.mean()
    return abs(score - 0.5), abs(change), score, change / np.linalg.norm(direction)


def tcav(layers: list, concept: np.ndarray, seed: int) -> list[dict]:
    draws = stream(seed, 1)
    splits = [concept]
    for _ in range(SPLITS):
        split = np.zeros(len(concept), bool)
        split[draws.subset(len(concept), int(concept.sum()))] = True
        splits.append(split)
    found = [[response(states, gradients, split) for split in splits] for states, gradients in layers]
    # A share is that of the splits that are at least as strong; sizes are rounded for ties.
    key = lambda one: (round(one[0], 9), round(one[1], 12))
    shares = [[np.mean([key(other) >= key(one) for other in layer]) for one in layer] for layer in found]
    smallest = np.min(shares, axis=0)
    return [
        {"score": layer[0][2], "sensitivity": layer[0][3], "p_value": float((smallest <= share[0]).mean())}
        for layer, share in zip(found, shares)
    ]


def case(seed: int, with_concept: int, contrast: int, width: int, shifts: list[float]) -> dict:
    rng = np.random.default_rng(seed)
    concept = np.arange(with_concept + contrast) < with_concept
    axis = rng.normal(size=width)
    axis /= np.linalg.norm(axis)
    layers = []
    for shift in shifts:
        states = rng.normal(size=(len(concept), width)) * rng.uniform(0.3, 3, width) + rng.normal(size=width)
        states += shift * concept[:, None] * axis
        gradients = rng.normal(size=states.shape) + 1.5 * axis
        layers.append((states.round(6), gradients.round(6)))
    fold = folds(concept, seed)
    own = [
        {
            "states": states.tolist(),
            "gradients": gradients.tolist(),
            "mean_difference": separation(mean_difference, states, concept, fold),
            "logistic": separation(logistic, states, concept, fold),
            "tcav": tested,
        }
        for (states, gradients), tested in zip(layers, tcav(layers, concept, seed))
    ]
    return {"seed": seed, "concept": concept.tolist(), "layers": own}


def main() -> None:
    cases = [
        case(1, 8, 7, 5, [0.0, 1.0, 4.0]),
        case(2, 5, 5, 12, [2.0]),
        case(3, 6, 13, 8, [0.5, 0.0]),
    ]
    text = json.dumps({"cases": cases}, separators=(",", ":"))
    Path(__file__).with_name("concepts.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
