"""The requests of tasks.json for each folder: bodies of POST /explain."""

from __future__ import annotations

# Fits together with every hypothesis, as the pipeline would truncate it.
TEXT = "the actor is good, so good"
LABELS = ["movies", "music", "the weather"]
SALIENCY = {"name": "saliency", "norm": "l2"}
INTEGRAL = {"name": "integrated_gradients", "baseline": "pad", "n_steps": 20}
FROM_ZERO = {"name": "integrated_gradients", "baseline": "zero", "n_steps": 9}
OCCLUSION = {"name": "occlusion", "unit": "token", "replacement": "mask"}
METHODS = [SALIENCY, {"name": "saliency", "norm": "l1"}, INTEGRAL, OCCLUSION]
NOTHING = {"methods": [], "attention": False}


def zero_shot(methods: list, **more) -> dict:
    """A request with candidates."""
    return {
        "inputs": TEXT,
        "candidate_labels": LABELS,
        "methods": methods,
        "attention": False,
        **more,
    }


def zero_shots(methods: list) -> list[dict]:
    """Requests with each kind of target and competition between candidates."""
    return [
        zero_shot(methods, target={"label": "music"}),
        zero_shot(methods, target={"label": "movies"}, output="probability"),
        zero_shot(methods, target={"contrast": ["the weather", "movies"]}),
        zero_shot(methods, target={"contrast": ["music", "movies"]}, output="probability"),
        zero_shot(
            methods, target={"label": "music"}, output="probability", multi_label=True
        ),
        zero_shot(methods, target={"label": "movies"}, hypothesis_template="It was {}"),
        zero_shot(
            methods,
            candidate_labels=["good"],
            target={"label": "good"},
            output="probability",
            hypothesis_template="{}",
        ),
    ]


def cut(*texts: str) -> list[dict]:
    """Requests with pretokenized inputs."""
    return [{"inputs": {"words": text.split("|")}, **NOTHING} for text in texts]


def questions(**options) -> list[dict]:
    """Question answering requests with options."""
    pairs = [
        ("who made very?", "she love from not but"),
        ("What was good?", "The film was very good, and old"),
        ("who", "so it was good, and it was the good film"),
    ]
    return [
        {"inputs": {"text": question, "text_pair": context}, **NOTHING, **options}
        for question, context in pairs
    ]


QUESTIONS = [
    *questions(handle_impossible_answer=True),
    *questions(handle_impossible_answer=True, top_k=4),
    *questions(top_k=6, max_answer_len=3),
    *questions(max_answer_len=1, handle_impossible_answer=True, top_k=3),
]
WORDS = cut(
    "we|saw|new-york",
    "The|actor|don't|like|it|100%!",
    "great|GREAT 😀 movies|e\u0301|[MASK]|这部电影|.",
)
CASES = {
    "bert-nli": [
        *zero_shots([*METHODS, {"name": "input_x_gradient"}, FROM_ZERO]),
        *cut("the|best|film-maker"),
    ],
    # Its candidates have almost equal scores, so that differences are inexact in float32.
    "deberta-v3-nli": [
        request for request in zero_shots(METHODS) if "contrast" not in request["target"]
    ],
    "bert-qa": QUESTIONS,
    "roberta-qa": QUESTIONS,
    "bert-tokens": WORDS,
    "roberta-tokens": WORDS,
    "xlm-roberta-tokens": WORDS,
    "deberta-v3-tokens": WORDS,
    "modernbert-sequence": WORDS[:2],
}
