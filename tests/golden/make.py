"""Make the tiny checkpoints in this folder and their golden values.

    python make.py                         every case of cases.py
    python make.py bert-tiny roberta-qa    some of them

A case is a folder: a random model in the Hugging Face layout, and golden.json with the results of
transformers and Captum in float64.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch

import checkpoints
from cases import CASES, Case
from plans import Text
from reference import Encoded, Reference
from selfcheck import check
from tasks import Encoder

HERE = Path(__file__).parent
ATTENTION_TOKENS = 20  # longer texts have no attentions, to limit the size
PACKAGES = ("torch", "transformers", "captum", "tokenizers", "sentence-transformers", "peft")


def golden(reference: Reference, text: Text) -> dict:
    """The fields of one text or pair in golden.json."""
    texts = text.read(reference)
    if isinstance(reference.task, Encoder):
        return golden_pair(reference, text, *texts)
    encoded = reference.encode(*texts)
    tensors, attentions = reference.predict(encoded)
    targets = reference.task.targets(reference, encoded, tensors)
    return {
        **head(reference, texts, encoded),
        **reference.task.fields(reference, encoded, tensors),
        "attentions": weights(text, attentions),
        "explanations": [
            reference.explain(
                encoded,
                method,
                options,
                output,
                targets[target] if isinstance(target, int) else target,
            )
            for methods, output, target in text.plan
            for method, options in methods
        ],
    }


def golden_pair(reference: Reference, text: Text, first: str, second: str) -> dict:
    """The fields of an encoder's two texts in golden.json, which are encoded separately."""
    pair = [reference.encode(text) for text in (first, second)]
    (ours, ours_attentions), (other, other_attentions) = map(reference.predict, pair)
    named = {
        "text": replace(pair[0], against=other["embedding"]),
        "text_pair": replace(pair[1], against=ours["embedding"]),
    }
    plan = [
        (method, options, output, {"cosine": "text"} if isinstance(target, int) else target)
        for methods, output, target in text.plan
        for method, options in methods
    ]
    return {
        **head(reference, (first, second), pair[0]),
        **pair[1].fields("_pair"),
        **reference.task.similarity(ours, other),
        "attentions": weights(text, ours_attentions),
        "attentions_pair": weights(text, other_attentions),
        "explanations": [
            reference.explain(named[step[-1]["cosine"]], *step) for step in plan
        ],
    }


def weights(text: Text, attentions: torch.Tensor) -> list | None:
    """[layer][head][query][key], or None if they would be too large."""
    short = attentions.shape[-1] <= ATTENTION_TOKENS
    return attentions.tolist() if text.attentions and (short or text.always) else None


def head(reference: Reference, texts: tuple, encoded: Encoded) -> dict:
    """The texts and their tokens."""
    length = len(encoded.tokens)
    assert length <= reference.max_tokens, f"{length} tokens: {texts}"
    return {"text": texts[0], "text_pair": texts[1], **encoded.fields()}


def write(path: Path, values: dict, long: str = "explanations") -> None:
    """JSON with one line per field and per element of the `long` field, in full precision."""

    def line(value):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    def fields(case):
        for name, value in case.items():
            if name == long:
                yield f'"{name}":[\n' + ",\n".join(map(line, value)) + "\n]"
            else:
                yield f'"{name}":{line(value)}'

    cases = ",\n".join("{\n" + ",\n".join(fields(case)) + "\n}" for case in values["cases"])
    path.write_text(
        f'{{\n"made_with":{line(values["made_with"])},\n"cases":[\n{cases}\n]\n}}\n',
        encoding="utf-8",
    )


def make(name: str, case: Case) -> None:
    """Make one folder: checkpoint, values and checks."""
    folder = HERE / name
    checkpoints.write(case.checkpoint, folder)
    reference = Reference(folder, torch.float64)
    cases = [golden(reference, text) for text in case.texts]
    errors = check(None if case.checkpoint.edits else folder, reference, cases)
    made_with = {package: version(package) for package in PACKAGES}
    write(folder / "golden.json", {"made_with": made_with, "cases": cases})
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    count = sum(len(values["explanations"]) for values in cases)
    print(f"{name}: {count} explanations, {size // 1000} kB")
    for check_name, error in errors.items():
        print(f"  {check_name}: {error:.1e}")


def main() -> None:
    """Make the cases named on the command line, or all."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        make(name, CASES[name])


if __name__ == "__main__":
    main()
