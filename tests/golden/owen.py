"""Partition SHAP: Shapley values over all coalitions, or Owen values along a tree of the text."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import factorial

import numpy as np

from units import Game, Question, Unit

SENTENCE_ENDS = ".!?。！？"


@dataclass(frozen=True)
class Node:
    """The units from `low` to `high`, split into two parts if there is more than one."""

    low: int
    high: int
    parts: tuple[Node, Node] | None = None

    def evaluations(self, depth: int = 0) -> int:
        """The number of evaluations of a full expansion of this node: two per inner node and
        context; contexts double per level. Equal coalitions are counted repeatedly."""
        if self.parts is None:
            return 0
        return 2 * 2**depth + sum(part.evaluations(depth + 1) for part in self.parts)


def tree(units: list[Unit], low: int, high: int) -> Node:
    """Splits at the best boundary inside: the beginning of the second text, else the sentence
    boundary nearest to the middle, else the nearest punctuation, else the middle."""
    if high - low < 2:
        return Node(low, high)
    segments, sentences, punctuation = borders(units)
    for candidates in (segments, sentences, punctuation):
        inside = [index for index in candidates if low < index < high]
        if inside:
            split = min(inside, key=lambda index: (abs(2 * index - low - high), index))
            break
    else:
        split = (low + high) // 2
    return Node(low, high, (tree(units, low, split), tree(units, split, high)))


def borders(units: list[Unit]) -> tuple[list[int], list[int], list[int]]:
    """The units that begin the second text, that begin a sentence, and that follow punctuation.

    Simplifies Unicode's sentence boundaries: in these texts, every sentence ends with a unit of
    SENTENCE_ENDS. Punctuation is a unit without letters and digits.
    """
    segments, sentences, punctuation = [], [], []
    for index, (before, unit) in enumerate(itertools.pairwise(units), start=1):
        if before.segment != unit.segment:
            segments.append(index)
        elif before.text.strip() and before.text.strip() in SENTENCE_ENDS:
            sentences.append(index)
        if not any(map(str.isalnum, before.text)):
            punctuation.append(index)
    return segments, sentences, punctuation


def owen(game: Game, node: Node) -> np.ndarray:
    """A score per unit. At every level, a part's value is the mean of its contributions without and
    with the other part."""
    scores = np.zeros(len(game))

    def expand(node: Node, context: np.ndarray, weight: float) -> None:
        if node.parts is None:
            scores[node.low] += weight * (game(joined(context, node)) - game(context))
            return
        for part, other in (node.parts, node.parts[::-1]):
            expand(part, context, weight / 2)
            expand(part, joined(context, other), weight / 2)

    expand(node, np.zeros(len(game), dtype=bool), 1.0)
    return scores


def joined(context: np.ndarray, node: Node) -> np.ndarray:
    """The coalition together with the node's units."""
    context = context.copy()
    context[node.low : node.high] = True
    return context


def shapley(game: Game) -> np.ndarray:
    """Shapley 1953, over all coalitions."""
    n = len(game)
    scores = np.zeros(n)
    for coalition in itertools.product((False, True), repeat=n):
        size = sum(coalition)
        if size == n:
            continue
        weight = factorial(size) * factorial(n - size - 1) / factorial(n)
        for unit in range(n):
            if not coalition[unit]:
                more = joined(np.array(coalition), Node(unit, unit + 1))
                scores[unit] += weight * (game(more) - game(coalition))
    return scores


def partition_shap(question: Question, max_evals: int, unit: str, replacement: str) -> dict:
    """shap's Partition: Shapley values if all 2^n coalitions are within `max_evals`, else Owen
    values, here always completely expanded."""
    game = Game(question, unit, replacement)
    if 2 ** len(game) <= max_evals:
        scores = shapley(game)
    else:
        root = tree(game.units, 0, len(game))
        assert 2 + root.evaluations() <= max_evals, 2 + root.evaluations()
        scores = owen(game, root)
    return {"token": game.spread(scores), "baseline_value": game.empty}
