"""How faithful scores are, by ferret's own evaluators.

ferret 0.4.2 with its default arguments does this, for the probability p of one label (the softmax
over all of them) and a score per token, the first and the last, [CLS] and [SEP], left out of both:

- Thresholds are shares, 0.1 to 1.0: a share v of n tokens is the int(v * n) with the largest
  scores, and of them those with scores above 0. So a rationale may be smaller than its share.
- A rationale of no token is skipped, and so is one with the same tokens as the last not skipped.
- Comprehensiveness is the mean over the others of p(text) - p(text without the rationale),
  sufficiency of p(text) - p(rationale alone, in the text's order). Tokens are deleted, also all of
  them: the special tokens alone are then a text as any. Without any rationale the two are 0 and 1.
- The correlation is Kendall's tau-b of the scores and p(text) - p(text without the token), over all
  n tokens, none left out for its sign; not a number where one of the two is constant.

What is left is decoded and tokenized again. The texts here are such that this changes nothing.
"""

from __future__ import annotations

import importlib
import sys
import types
from importlib.metadata import distribution

import numpy as np
from scipy.stats import kendalltau

from units import Question

SHARES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
EVALUATORS = {
    "comprehensiveness": "AOPC_Comprehensiveness_Evaluation",
    "sufficiency": "AOPC_Sufficiency_Evaluation",
    "loo_correlation": "TauLOO_Evaluation",
}


def ferret(module: str) -> types.ModuleType:
    """A module of ferret, without ferret's own beginning, which wants what is not needed here."""
    if "ferret" not in sys.modules:
        package = types.ModuleType("ferret")
        package.__path__ = [str(distribution("ferret-xai").locate_file("ferret"))]
        sys.modules["ferret"] = package
    return importlib.import_module(f"ferret.{module}")


def evaluate(question: Question, scores: list[float]) -> dict[str, float]:
    """ferret's three measures of one explanation."""
    reference, encoded = question.reference, question.encoded
    assert encoded.text_pair is None and question.output == "probability"
    assert [int(share * len(scores[1:-1])) for share in SHARES] == [
        int(share * len(scores[1:-1])) for share in np.arange(0.1, 1.1, 0.1)
    ]
    target = question.target["index"]
    explanation = ferret("explainers.explanation").Explanation(
        encoded.text, encoded.tokens, np.array(scores), "", target
    )
    measures = ferret("evaluators.faithfulness_measures")
    return {
        name: float(
            getattr(measures, evaluator)(reference.model, reference.tokenizer)
            .compute_evaluation(explanation, target=target)
            .score
        )
        for name, evaluator in EVALUATORS.items()
    }


def by_deletion(question: Question, scores: np.ndarray) -> dict[str, float]:
    """The three measures as this file's description has them, by deletion from the ids."""
    places = set(range(1, len(scores) + 1))
    order = np.argsort(-scores)
    rationales = []
    for share in SHARES:
        best = {
            int(place) + 1 for place in order[: int(share * len(scores))] if scores[place] > 0
        }
        if best and (not rationales or best != rationales[-1]):
            rationales.append(best)
    value = question.value()
    falls = [value - question.without(best).value() for best in rationales]
    rests = [value - question.without(places - best).value() for best in rationales]
    alone = [value - question.without({place}).value() for place in sorted(places)]
    return {
        "comprehensiveness": float(np.mean(falls)) if rationales else 0.0,
        "sufficiency": float(np.mean(rests)) if rationales else 1.0,
        "loo_correlation": float(kendalltau(alone, scores)[0]),
    }
