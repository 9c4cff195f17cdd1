"""Make tasks.json of the folders of task_cases.py: task options, and other forms of inputs.

    python make_tasks.py                  every folder
    python make_tasks.py bert-qa          some of them

make.py writes the checkpoints.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch

import pipelines
from make import PACKAGES, write
from reference import Encoded, Reference, whole_characters
from task_cases import CASES
from tasks import QuestionAnswering, TokenClassification
from zero_shot import Joint

HERE = Path(__file__).parent
OPTIONS = ("top_k", "max_answer_len", "handle_impossible_answer")
CANDIDATES = ("candidate_labels", "hypothesis_template", "multi_label")


def chosen(request: dict, names: tuple) -> dict:
    """The fields with these names."""
    return {name: request[name] for name in names if name in request}


def zero_shot(reference: Reference, request: dict) -> dict:
    """Predictions of all candidates, and explanations of a target."""
    joint = Joint(reference, request["inputs"], **chosen(request, CANDIDATES))
    output, target = request.get("output", "logit"), request["target"]
    return {
        **joint.shown(target).fields(),
        **joint.predictions(),
        "output_value": joint.value(output, target),
        "explanations": [
            joint.explain(method, output, target) for method in request["methods"]
        ],
    }


def answers(reference: Reference, request: dict) -> dict:
    """The answers to a question."""
    inputs = request["inputs"]
    encoded = reference.encode(inputs["text"], inputs["text_pair"])
    assert len(encoded.tokens) <= reference.max_tokens, encoded.tokens
    tensors, _ = reference.predict(encoded)
    options = chosen(request, OPTIONS)
    found = pipelines.answers(reference, encoded, tensors, **options)
    return {**encoded.fields(), **found}


def words(reference: Reference, request: dict) -> dict:
    """A pretokenized text."""
    cut = request["inputs"]["words"]
    encoded, spans = encode(reference, cut)
    tensors, _ = reference.predict(encoded)
    answer = {
        **encoded.fields(),
        "words": spans,
        "of_word": encoded.encoding.word_ids,
        "logits": tensors["logits"].tolist(),
        "probabilities": tensors["probabilities"].tolist(),
    }
    if isinstance(reference.task, TokenClassification):
        answer["entities"] = pipelines.entities(reference, cut)
    return answer


def encode(reference: Reference, cut: list[str]) -> tuple[Encoded, list[list[int]]]:
    """The encoded words, with offsets in the words joined by spaces, and the words' spans."""
    text = " ".join(cut)
    starts = [len(" ".join([*cut[:number], ""])) for number in range(len(cut))]
    encoding = reference.tokenizer(
        cut,
        is_split_into_words=True,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        return_token_type_ids=True,
    )
    input_ids = torch.tensor([encoding["input_ids"]])
    # Everything but the tokens is the same as for a text.
    like = reference.encode(text)
    assert input_ids.shape[1] <= reference.max_tokens, encoding.tokens()
    of_word = encoding.word_ids()
    offsets = [
        [start + starts[word], end + starts[word]] if word is not None else [start, end]
        for word, (start, end) in zip(of_word, encoding["offset_mapping"], strict=True)
    ]
    encoded = replace(
        like,
        input_ids=input_ids,
        token_type_ids=torch.zeros_like(input_ids),
        attention_mask=torch.ones_like(input_ids),
        special=[bool(flag) for flag in encoding["special_tokens_mask"]],
        segments=encoding.sequence_ids(),
        tokens=reference.tokenizer.convert_ids_to_tokens(encoding["input_ids"]),
        offsets=whole_characters(
            reference.tokenizer, (text,), offsets, encoding.encodings[0].sequence_ids
        ),
        encoding=encoding.encodings[0],
    )
    spans = [
        [start, start + len(word)] for start, word in zip(starts, cut, strict=True)
    ]
    return encoded, spans


def answer(reference: Reference, request: dict) -> dict:
    """One case."""
    if "candidate_labels" in request:
        found = zero_shot(reference, request)
    elif isinstance(reference.task, QuestionAnswering):
        found = answers(reference, request)
    else:
        found = words(reference, request)
    return {"request": request, **found}


def make(name: str) -> None:
    """One folder."""
    folder = HERE / name
    reference = Reference(folder, torch.float64)
    cases = [answer(reference, request) for request in CASES[name]]
    made_with = {package: version(package) for package in PACKAGES}
    path = folder / "tasks.json"
    write(path, {"made_with": made_with, "cases": cases})
    print(f"{name}: {len(cases)} cases, {path.stat().st_size // 1000} kB")


def main() -> None:
    """Make the folders named on the command line, or all."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        make(name)


if __name__ == "__main__":
    main()
