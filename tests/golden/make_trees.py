"""Writes trees.json: decision trees of scikit-learn over features that are there or not.

    python make_trees.py

Each case has observations with weights and classes, and of scikit-learn's DecisionTreeClassifier the splits, the weight of
each class at each leaf, and what it says of every observation. Weights are such that no two splits are equally good, for
scikit-learn draws one of equal ones.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from sklearn.tree import DecisionTreeClassifier


def node(tree, i: int):
    """A split with what is below it, a leaf as the weights of the classes.

    A node of one class is a leaf: scikit-learn splits some further, where rounding leaves an impurity of 1e-16.
    """
    weights = [round(float(weight), 9) for weight in tree.value[i][0] * tree.weighted_n_node_samples[i]]
    if tree.children_left[i] < 0 or sum(weight > 0 for weight in weights) == 1:
        return weights
    return {
        "feature": int(tree.feature[i]),
        "absent": node(tree, tree.children_left[i]),
        "present": node(tree, tree.children_right[i]),
    }


def case(seed: int, observations: int, features: int, classes: int, depth: int, leaf: int) -> dict:
    rng = np.random.default_rng(seed)
    present = rng.random((observations, features)) < rng.uniform(0.2, 0.8, features)
    scores = rng.normal(size=(features, classes))
    noise = rng.normal(scale=0.5, size=(observations, classes))
    pairs = (present[:, :1] & ~present[:, 1:2]) * rng.normal(size=(1, classes)) * 2
    labels = ((present - 0.5) @ scores + pairs + noise).argmax(axis=1)
    weights = rng.uniform(0.1, 1.0, observations)
    tree = DecisionTreeClassifier(max_depth=depth, min_samples_leaf=leaf, random_state=seed)
    tree.fit(present.astype(float), labels, sample_weight=weights)
    assert set(tree.classes_) == set(range(classes)), "every class is there"
    return {
        "present": present.astype(int).tolist(),
        "class": labels.tolist(),
        "weight": weights.tolist(),
        "classes": classes,
        "depth": depth,
        "leaf": leaf,
        "tree": node(tree.tree_, 0),
        "predicted": tree.predict(present.astype(float)).tolist(),
    }


def main() -> None:
    cases = [
        case(1, 60, 6, 2, 4, 1),
        case(2, 200, 12, 2, 4, 5),
        case(3, 150, 8, 3, 3, 4),
        case(4, 40, 5, 2, 1, 1),
        case(5, 300, 20, 4, 4, 6),
    ]
    path = Path(__file__).parent / "trees.json"
    path.write_text(json.dumps(cases, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
