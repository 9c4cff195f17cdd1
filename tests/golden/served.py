"""Predictions of the service, by task: for each of the task's tensors, the served values and their
indices in the tensor."""

from __future__ import annotations

import sys

import torch

import tasks
from reference import Reference


def columns(rows: list[list[dict]], indices: list, key: str) -> dict:
    """logits and probabilities of predictions, with the indices (row, `key` of the prediction)."""
    flat = [
        (index, prediction)
        for index, row in zip(indices, rows, strict=True)
        for prediction in row
    ]
    index = (
        torch.tensor([index for index, _ in flat]),
        torch.tensor([prediction[key] for _, prediction in flat]),
    )
    served = {}
    for name, tensor in (("logit", "logits"), ("probability", "probabilities")):
        values = [prediction.get(name) for _, prediction in flat]
        if None not in values:  # a regression has no probabilities
            served[tensor] = values, index
    return served


def classification(reference: Reference, encoded, result: dict) -> dict:
    """`predictions` has every label."""
    served = columns([result["predictions"]], [0], "index")
    return {name: (values, index[1]) for name, (values, index) in served.items()}


def token_classification(reference: Reference, encoded, result: dict) -> dict:
    """`predictions` has one list per token."""
    return columns(result["predictions"], list(range(len(encoded.tokens))), "index")


def question_answering(reference: Reference, encoded, result: dict) -> dict:
    """`start` and `end` have candidate tokens."""
    served = {}
    for position in ("start", "end"):
        for name, (values, index) in columns([result[position]], [0], "token").items():
            served[f"{position}_{name}"] = values, index[1]
    return served


def masked_lm(reference: Reference, encoded, result: dict) -> dict:
    """`masks` has the best tokens of each mask."""
    numbers = [mask["token"] for mask in result["masks"]]
    if numbers != reference.task.masks(reference, encoded):
        sys.exit(f"the service's masks are the tokens {numbers}")
    rows = [mask["predictions"] for mask in result["masks"]]
    return columns(rows, list(range(len(rows))), "index")


SERVED = {
    tasks.Classification: classification,
    tasks.TokenClassification: token_classification,
    tasks.QuestionAnswering: question_answering,
    tasks.MaskedLM: masked_lm,
}


def compare_tokens(encoded, tokens: list[dict]) -> None:
    """Ids, segments and offsets must be the same."""
    ids = encoded.input_ids[0].tolist()
    ours = zip(ids, encoded.special, encoded.segments, encoded.offsets, strict=True)
    expected = [
        (token_id, True) if special else (token_id, False, segment, *offsets)
        for token_id, special, segment, offsets in ours
    ]
    served = [
        (token["id"], True)
        if token["special"]
        else (token["id"], False, token["segment"], token["start"], token["end"])
        for token in tokens
    ]
    if served != expected:
        sys.exit(f"tokens (id, special, segment, start, end) differ:\n{served}\n{expected}")
