"""Make the tiny checkpoints beside this file and the golden values that tests compare with.

    python make.py            every case of CASES
    python make.py bert-tiny  one of them

A case is a folder: a random model in the Hugging Face layout, and golden.json with what
transformers and Captum say of it in float64. Another architecture or task is an entry of CASES.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import torch

from checkpoints import MAX_TOKENS, bert_sequence_classifier, bert_tokenizer, randomize
from reference import BASELINES, LAYERS, NORMS, QUADRATURES, Reference, integrated_gradients
from selfcheck import check

HERE = Path(__file__).parent
PACKAGES = ("torch", "transformers", "captum", "tokenizers")

# What is explained. A plan is a list of (method, options, output, target).

SALIENCIES = [("saliency", {"norm": norm}) for norm in NORMS]
BASIC = [
    *SALIENCIES,
    ("input_x_gradient", {}),
    *(integrated_gradients(layer, n_steps=20) for layer in LAYERS),
    integrated_gradients("embeddings", "zero", "riemann_middle", 9),
]
EVERY_INTEGRAL = [
    *(
        integrated_gradients(layer, baseline, quadrature, 7)
        for layer in LAYERS
        for baseline in BASELINES
        for quadrature in QUADRATURES
    ),
    *(integrated_gradients(layer, n_steps=steps) for layer in LAYERS for steps in (1, 20, 50)),
]


def index(i: int) -> dict:
    """The target of one label."""
    return {"index": i}


def plan(methods: list, output: str, target: dict) -> list:
    """Every method with one output and target."""
    return [(method, options, output, target) for method, options in methods]


def basic(target: dict) -> list:
    """The usual methods on a logit or a difference of logits."""
    return plan(BASIC, "logit", target)


@dataclass(frozen=True)
class Text:
    """A text or a pair, and what to explain of it."""

    text: str
    plan: list
    text_pair: str | None = None


SENTENCE = "This movie is really great, but the plot was dull."
FULL_LENGTH = "this old film was very good and so " * 4 + "this old film was very good"
SEQUENCE_TEXTS = [
    Text(
        SENTENCE,
        [
            *basic(index(0)),
            *(step for step in plan(EVERY_INTEGRAL, "logit", index(0)) if step[:2] not in BASIC),
            *basic({"contrast": [0, 2]}),
            *plan(BASIC, "probability", index(0)),
        ],
    ),
    Text("Café — GREAT!! 😀 ok", basic(index(1))),
    Text("Cafe\u0301  nai\u0308ve\tmovies", basic(index(2))),
    Text("这部电影真的很棒", basic(index(2))),
    Text("这部movie真的好看,I'm loving it 100%!", basic(index(0))),
    Text(
        "Is this movie good?",
        [
            *basic(index(1)),
            *basic({"contrast": [2, 1]}),
            *plan(BASIC, "probability", index(2)),
        ],
        text_pair="It was the best film.",
    ),
    Text("这部电影不好", basic(index(2)), text_pair="He never liked the end"),
    Text("great", basic(index(1))),
    Text(FULL_LENGTH, basic(index(0))),
]
ONE_OF_EACH = [
    ("saliency", {"norm": "l2"}),
    ("input_x_gradient", {}),
    integrated_gradients("word_embeddings", n_steps=20),
]


@dataclass(frozen=True)
class Case:
    """A folder: a model, its tokenizer, and the texts explained."""

    model: Callable[..., torch.nn.Module]
    tokenizer: Callable
    texts: list[Text]
    seed: int
    arguments: dict = field(default_factory=dict)


CASES = {
    "bert-tiny": Case(
        bert_sequence_classifier,
        bert_tokenizer,
        SEQUENCE_TEXTS,
        seed=17,
        arguments={
            "labels": ["negative", "neutral", "positive"],
            "problem_type": "single_label_classification",
        },
    ),
    "bert-tiny-multi-label": Case(
        bert_sequence_classifier,
        bert_tokenizer,
        [
            Text(
                SENTENCE,
                [
                    *plan(ONE_OF_EACH, "logit", index(1)),
                    *plan(ONE_OF_EACH, "probability", index(3)),
                ],
            )
        ],
        seed=2,
        arguments={
            "labels": ["story", "actors", "music", "length"],
            "problem_type": "multi_label_classification",
        },
    ),
    "bert-tiny-regression": Case(
        bert_sequence_classifier,
        bert_tokenizer,
        [Text(SENTENCE, plan(ONE_OF_EACH, "logit", index(0)))],
        seed=3,
        arguments={"labels": ["stars"], "problem_type": "regression"},
    ),
}


# Making.


def make_checkpoint(case: Case, folder: Path) -> None:
    """Write config.json, model.safetensors, tokenizer.json and tokenizer_config.json."""
    torch.manual_seed(case.seed)
    model = case.model(**case.arguments)
    randomize(model, case.seed)
    model.save_pretrained(folder)
    case.tokenizer().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)


def golden(reference: Reference, text: Text) -> dict:
    """Everything that golden.json says of one text."""
    encoded = reference.encode(text.text, text.text_pair)
    assert len(encoded.tokens) <= MAX_TOKENS, f"{len(encoded.tokens)} tokens: {text.text}"
    logits, probabilities, attentions = reference.predict(encoded)
    return {
        "text": text.text,
        "text_pair": text.text_pair,
        "input_ids": encoded.input_ids[0].tolist(),
        "token_type_ids": encoded.token_type_ids[0].tolist(),
        "tokens": encoded.tokens,
        "offsets": encoded.offsets,
        "logits": logits.tolist(),
        "probabilities": probabilities.tolist(),
        "attentions": attentions.tolist(),
        "explanations": [reference.explain(encoded, *step) for step in text.plan],
    }


def write(path: Path, values: dict) -> None:
    """JSON with a line per field and per explanation, every digit of a double kept."""

    def line(value):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    def fields(case):
        for name, value in case.items():
            if name == "explanations":
                yield '"explanations":[\n' + ",\n".join(map(line, value)) + "\n]"
            else:
                yield f'"{name}":{line(value)}'

    cases = ",\n".join("{\n" + ",\n".join(fields(case)) + "\n}" for case in values["cases"])
    path.write_text(
        f'{{\n"made_with":{line(values["made_with"])},\n"cases":[\n{cases}\n]\n}}\n',
        encoding="utf-8",
    )


def make(name: str, case: Case) -> None:
    """One folder: checkpoint, values, check."""
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    make_checkpoint(case, folder)
    reference = Reference(folder, torch.float64)
    cases = [golden(reference, text) for text in case.texts]
    errors = check(reference, cases)
    made_with = {package: version(package) for package in PACKAGES}
    write(folder / "golden.json", {"made_with": made_with, "cases": cases})
    print(f"{name}: {sum(len(values['explanations']) for values in cases)} explanations")
    for check_name, error in errors.items():
        print(f"  {check_name}: {error:.1e}")


def main() -> None:
    """Make the cases named on the command line, or all."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        make(name, CASES[name])


if __name__ == "__main__":
    main()
