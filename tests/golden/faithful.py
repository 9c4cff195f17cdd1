"""Faithfulness measures by ferret's evaluators.

ferret 0.4.2 with default arguments, for the probability p of a label (softmax over all labels) and
a score per token, without the first and last tokens [CLS] and [SEP]:

- Thresholds are shares from 0.1 to 1.0: for a share v of n tokens, the rationale is the int(v * n)
  tokens with the largest scores, of these only the ones with scores above 0.
- An empty rationale is skipped, as is one with the same tokens as the previous one.
- Comprehensiveness is the mean over the rationales of p(text) - p(text without the rationale),
  sufficiency the mean of p(text) - p(rationale alone, in the text's order). Tokens are deleted,
  possibly all except special tokens. Without any rationale, the two are 0 and 1.
- The correlation is Kendall's tau-b of the scores and p(text) - p(text without the token), over all
  n tokens of either sign; NaN if one of the two is constant.

The remaining tokens are decoded and tokenized again. This changes nothing for the texts here.
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
    """Imports a module of ferret without its `__init__`, which has further dependencies."""
    if "ferret" not in sys.modules:
        package = types.ModuleType("ferret")
        package.__path__ = [str(distribution("ferret-xai").locate_file("ferret"))]
        sys.modules["ferret"] = package
    return importlib.import_module(f"ferret.{module}")


def evaluate(question: Question, scores: list[float]) -> dict[str, float]:
    """ferret's three measures for one explanation."""
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
    """The three measures as defined above, with tokens deleted from the ids."""
    tokens = set(range(1, len(scores) + 1))
    order = np.argsort(-scores)
    rationales = []
    for share in SHARES:
        best = {
            int(index) + 1 for index in order[: int(share * len(scores))] if scores[index] > 0
        }
        if best and (not rationales or best != rationales[-1]):
            rationales.append(best)
    value = question.value()
    falls = [value - question.without(best).value() for best in rationales]
    rests = [value - question.without(tokens - best).value() for best in rationales]
    alone = [value - question.without({token}).value() for token in sorted(tokens)]
    return {
        "comprehensiveness": float(np.mean(falls)) if rationales else 0.0,
        "sufficiency": float(np.mean(rests)) if rationales else 1.0,
        "loo_correlation": float(kendalltau(alone, scores)[0]),
    }
