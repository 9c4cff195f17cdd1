"""The requests of methods.json for each folder."""

from __future__ import annotations

from dataclasses import dataclass

from faithful import EVALUATORS, SHARES
from method_plans import (
    FROM_ZERO,
    GRADIENTS,
    LONG,
    OCCLUSIONS,
    ONE_UNIT,
    SMALL,
    WAYS,
    WIDE,
    Spec,
    Methods,
    by_evaluations,
    gradient_shap,
    smooth_grad,
)
from methods import integrated_gradients


@dataclass(frozen=True)
class Texts:
    """Texts of 9 words, of two sentences, of two parts, and a short one."""

    sentence: str
    sentences: str
    question: str
    statement: str
    short: str


# Of tokens of the vocabularies.
SIMPLE = Texts(
    "the plot was dull, but i loved it",
    "i never liked the end! it was too dull, but the music is good.",
    "is it good?",
    "the story is really fun, not dull.",
    "I liked the plot.",
)
# Of tokens of the byte-level vocabularies, which split other words into letters.
BYTES = Texts(
    "so is the film, and it was good",
    "so is this film! is it very good, and old?",
    "is it old?",
    "this film is good, and very old.",
    "I liked the film",
)
CHINESE = "这部电影真的很棒,我喜欢"
CONTRAST = {"contrast": [0, 2]}


def sequence(texts: Texts, steep: bool = False) -> list[Spec]:
    """For labels of a sequence; `steep` if a path from zero is discontinuous."""
    return [
        Spec(texts.sentence, WIDE + ([] if steep else FROM_ZERO), {"index": 1}),
        Spec(texts.short, SMALL, {"index": 0}, output="probability", seed=2**53 - 1),
        Spec(texts.sentences, LONG, {"index": 2}, seed=0),
        Spec(texts.question, LONG, {"index": 0}, texts.statement, seed=123456789),
    ]


BERT_TINY = [
    *sequence(SIMPLE),
    Spec(SIMPLE.sentence, SMALL + GRADIENTS, CONTRAST, seed=1),
    Spec(CHINESE, SMALL, {"index": 2}),
    Spec("great", ONE_UNIT, {"index": 1}),
    # 6 words: draws of coalitions repeat, and the first ends before its budget is used.
    Spec(
        "this film was never so dull",
        by_evaluations("kernel_shap", 0, 0, 40, 63, 50, 30),
        {"index": 0},
        seed=12,
    ),
]

# Heads with an output per token: the target's index changes when tokens before it are removed.

POINTED = [
    smooth_grad(4, 0.1, "l1"),
    gradient_shap(4, "mask", noise_level=0.1),
    *OCCLUSIONS,
    *by_evaluations("lime", 0, 0, 40, 30, 0, 30),
    *by_evaluations("kernel_shap", 0, 0, 30, 0, 0, 60),
    *by_evaluations("partition_shap", 0, 0, 0, 0, 0, 80),
]
POINTED_SMALL = [
    ("occlusion", WAYS[2]),
    *by_evaluations("lime", 0, 0, 0, 0, 0, 30),
    *by_evaluations("kernel_shap", 0, 0, 0, 0, 0, 40),
]
TOKENS = [
    Spec("The actor liked the film so much.", POINTED, {"token": 4, "index": 1}),
    Spec(
        "The actor liked the film.",
        POINTED_SMALL,
        {"token": 5, "index": 2},
        output="probability",
    ),
]
QA_TEXTS = ("Who liked it?", "The actor loved the story.")
QUESTIONS = [
    Spec(QA_TEXTS[0], POINTED, {"position": "start", "token": 8}, QA_TEXTS[1]),
    Spec(
        QA_TEXTS[0],
        POINTED_SMALL,
        {"position": "end", "token": 10},
        QA_TEXTS[1],
        output="probability",
    ),
]

# Attention.

ROLLOUT, FLOW, GRADIENT = (
    (f"attention_{name}", {}) for name in ("rollout", "flow", "gradient")
)
LAST, MEAN = (("attention_norm", {"layer": layer}) for layer in ("last", "mean"))
ATTENTIONS = [ROLLOUT, FLOW, GRADIENT, LAST, MEAN]


def shown(text: str, methods: Methods, kind: str, heads: str) -> Spec:
    attention = {"layers": "all", "heads": heads, "kind": kind}
    return Spec(text, methods, {"index": 1}, attention=attention)


def matrices(text: str) -> list[Spec]:
    """Every kind, and a method or two."""
    return [
        shown(text, [LAST, MEAN], "norm", "all"),
        shown(text, [ROLLOUT], "norm", "mean"),
        shown(text, [GRADIENT], "gradient", "all"),
        shown(text, [FLOW], "gradient", "mean"),
        shown(text, [ROLLOUT], "rollout", "mean"),
    ]


def read(texts: Texts) -> list[Spec]:
    """Methods only, on longer texts."""
    return [
        Spec(texts.sentence, ATTENTIONS, {"index": 0}, output="probability"),
        Spec(texts.question, ATTENTIONS, CONTRAST, texts.statement),
    ]


LIKED, SO_IS = "I liked the plot.", "so is the film."

# Faithfulness.

EVALUATED = [
    ("saliency", {"norm": "l2"}),
    integrated_gradients("word_embeddings", n_steps=20),
    ("occlusion", {"unit": "token", "replacement": "remove"}),
]


def evaluated(text: str, index: int, methods: Methods = EVALUATED) -> Spec:
    measures = {
        "measures": [*EVALUATORS],
        "unit": "token",
        "replacement": "remove",
        "thresholds": SHARES,
        "rule": "ferret",
    }
    return Spec(text, methods, {"index": index}, output="probability", evaluate=measures)


# Decoding and tokenizing again gives the same tokens for any subset. No scores are equal, as ferret
# does not define an order for them. In the second text, occlusion has no score above 0.
EVALUATIONS = {
    "bert": [
        evaluated("the plot was so dull but the music is good", 0),
        evaluated("so good", 0),
    ],
    "roberta": [
        evaluated("this with this", 1),
        evaluated("like film movie was movie", 0),
    ],
    "modernbert": [
        evaluated("like film we movie this", 0),
        evaluated("like is they is for", 2),
    ],
}

CASES = {
    "bert-tiny": [*BERT_TINY, *matrices(LIKED), *read(SIMPLE), *EVALUATIONS["bert"]],
    "roberta-sequence": [*sequence(BYTES), *matrices(SO_IS), *EVALUATIONS["roberta"]],
    "deberta-v3-sequence": [*sequence(SIMPLE, steep=True), *matrices(LIKED)],
    "modernbert-sequence": [
        *sequence(BYTES, steep=True),
        *matrices(SO_IS),
        *read(BYTES),
        *EVALUATIONS["modernbert"],
    ],
    "bert-tiny-multi-label": [
        Spec(SIMPLE.sentence, SMALL, {"index": 1}),
        Spec(SIMPLE.sentence, SMALL, {"index": 3}, output="probability"),
    ],
    "bert-tokens": [*TOKENS, Spec(TOKENS[0].text, ATTENTIONS, TOKENS[0].target)],
    "bert-qa": [*QUESTIONS, Spec(QA_TEXTS[0], ATTENTIONS, QUESTIONS[0].target, QA_TEXTS[1])],
    "modernbert-tokens": [Spec(BYTES.sentence, ATTENTIONS, {"token": 5, "index": 1})],
    **{
        f"{name}-sequence": matrices(LIKED)
        for name in (
            "camembert",
            "xlm-roberta",
            "electra",
            "albert",
            "distilbert",
            "mpnet",
            "deberta-v2",
            "deberta-conv",
        )
    },
    "modernbert-mean-sequence": [*matrices(SO_IS), read(BYTES)[0]],
}
