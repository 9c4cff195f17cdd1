"""Units of a text, and the explained scalar without some of them."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch

from reference import Encoded, Reference

HERE = Path(__file__).parent
SERVICE = os.environ.get("EXPLAIND", str(HERE / "../../target/debug/explaind"))


@dataclass(frozen=True)
class Unit:
    """A word or a token."""

    text: str
    tokens: tuple[int, ...]
    segment: int


@cache
def words(folder: Path, text: str, text_pair: str | None) -> tuple[Unit, ...]:
    """The service's words, as transformers has no word segmentation."""
    pair = [] if text_pair is None else ["--pair", text_pair]
    command = [SERVICE, "explain", "--model", str(folder), "--json", *pair, "--", text]
    answer = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return tuple(
        Unit(word["text"], tuple(word["tokens"]), word["segment"])
        for word in json.loads(answer)["results"][0]["words"]
    )


@dataclass(frozen=True)
class Question:
    """What is explained: a text with its words, and a scalar."""

    reference: Reference
    encoded: Encoded
    output: str
    target: dict
    seed: int
    words: tuple[Unit, ...]

    @property
    def function(self):
        """The scalar as a function of the model's arguments, [rows]."""
        return self.reference.scalar(self.encoded, self.output, self.target)

    def value(self) -> float:
        """The scalar for the unchanged text."""
        with torch.no_grad():
            return self.function(*self.encoded.model_args).item()

    def units(self, unit: str, replacement: str) -> list[Unit]:
        """The words that have tokens, or all tokens except special ones.

        The unit of the target's token is excluded if units are removed.
        """
        units = self.words if unit == "word" else self.tokens()
        kept = self.target.get("token") if replacement == "remove" else None
        return [one for one in units if one.tokens and kept not in one.tokens]

    def tokens(self) -> list[Unit]:
        """One unit per token that is not special."""
        texts = (self.encoded.text, self.encoded.text_pair)
        spans = zip(self.encoded.segments, self.encoded.offsets, strict=True)
        return [
            Unit(texts[segment][slice(*offsets)], (token,), segment)
            for token, (segment, offsets) in enumerate(spans)
            if not self.encoded.special[token]
        ]

    def without(self, tokens: set[int]) -> Question:
        """The question for the sequence without these tokens. The model derives new positions; the
        indices of the target's token and of candidates are adjusted."""
        encoded = self.encoded
        kept = [token for token in range(len(encoded.tokens)) if token not in tokens]
        shorter = replace(
            encoded,
            input_ids=encoded.input_ids[:, kept],
            token_type_ids=encoded.token_type_ids[:, kept],
            attention_mask=encoded.attention_mask[:, kept],
            **{
                name: [getattr(encoded, name)[token] for token in kept]
                for name in ("special", "segments", "tokens", "offsets")
            },
        )
        target = self.target
        if "token" in target:
            target = {**target, "token": kept.index(target["token"])}
        return replace(self, encoded=shorter, target=target)


class Game:
    """A cooperative game: the units are the players, the scalar without absent units is the value.

    `mask` and `pad` replace only the word embeddings of a unit's tokens; `remove` removes the
    tokens from the sequence.
    """

    def __init__(self, question: Question, unit: str, replacement: str):
        self.question = question
        self.units = question.units(unit, replacement)
        self.replacement = replacement
        self.values: dict[tuple[bool, ...], float] = {}

    def __len__(self) -> int:
        return len(self.units)

    def __call__(self, kept) -> float:
        """The scalar with the units for which `kept` is true."""
        key = tuple(map(bool, kept))
        assert len(key) == len(self.units)
        if key not in self.values:
            units = zip(self.units, key, strict=True)
            absent = {token for unit, present in units if not present for token in unit.tokens}
            self.values[key] = self.value(absent)
        return self.values[key]

    @property
    def full(self) -> float:
        return self([True] * len(self))

    @property
    def empty(self) -> float:
        return self([False] * len(self))

    def value(self, absent: set[int]) -> float:
        """The scalar without these tokens."""
        if self.replacement == "remove":
            return self.question.without(absent).value()
        reference, encoded = self.question.reference, self.question.encoded
        tokens = sorted(absent)
        ids = encoded.input_ids.clone()
        ids[0, tokens] = reference.replaced_ids(encoded, self.replacement)[0, tokens]
        embedded = reference.layers["word_embeddings"](ids)
        replaced = reference.from_layer("word_embeddings", self.question.function)
        with torch.no_grad():
            return replaced(embedded, *encoded.model_args).item()

    def spread(self, scores) -> list[float]:
        """A score per token: a unit's score is divided evenly among its tokens."""
        token_scores = [0.0] * len(self.question.encoded.tokens)
        for unit, score in zip(self.units, scores, strict=True):
            for token in unit.tokens:
                token_scores[token] = float(score) / len(unit.tokens)
        return token_scores
