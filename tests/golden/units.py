"""What is left out of a text, and what the explained scalar is without it."""

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
    """A word or a token: its text, its tokens, and which text it is of."""

    text: str
    tokens: tuple[int, ...]
    segment: int


@cache
def words(folder: Path, text: str, text_pair: str | None) -> tuple[Unit, ...]:
    """The service's own words; how it cuts a text is nothing that transformers knows."""
    pair = [] if text_pair is None else ["--pair", text_pair]
    command = [SERVICE, "explain", "--model", str(folder), "--json", *pair, "--", text]
    answer = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return tuple(
        Unit(word["text"], tuple(word["tokens"]), word["segment"])
        for word in json.loads(answer)["results"][0]["words"]
    )


@dataclass(frozen=True)
class Question:
    """What is explained: a text, the scalar that `output` and `target` choose, and its words."""

    reference: Reference
    encoded: Encoded
    output: str
    target: dict
    seed: int
    words: tuple[Unit, ...]

    @property
    def function(self):
        """The scalar from the model's arguments, [rows]."""
        return self.reference.scalar(self.encoded, self.output, self.target)

    def value(self) -> float:
        """The scalar for the text as it is."""
        with torch.no_grad():
            return self.function(*self.encoded.model_args).item()

    def units(self, unit: str, replacement: str) -> list[Unit]:
        """The words that have tokens, or all tokens but special ones.

        A token whose own answer is explained is never removed: its unit is not among them.
        """
        found = self.words if unit == "word" else self.tokens()
        kept = self.target.get("token") if replacement == "remove" else None
        return [one for one in found if one.tokens and kept not in one.tokens]

    def tokens(self) -> list[Unit]:
        """A unit for each token that is not special."""
        texts = (self.encoded.text, self.encoded.text_pair)
        places = zip(self.encoded.segments, self.encoded.offsets, strict=True)
        return [
            Unit(texts[segment][slice(*offsets)], (place,), segment)
            for place, (segment, offsets) in enumerate(places)
            if not self.encoded.special[place]
        ]

    def without(self, places: set[int]) -> Question:
        """The same of the sequence that is left when tokens are removed: the positions are what
        the model derives from it, the target's token and the candidates are where they are now."""
        encoded = self.encoded
        kept = [place for place in range(len(encoded.tokens)) if place not in places]
        shorter = replace(
            encoded,
            input_ids=encoded.input_ids[:, kept],
            token_type_ids=encoded.token_type_ids[:, kept],
            attention_mask=encoded.attention_mask[:, kept],
            **{
                name: [getattr(encoded, name)[place] for place in kept]
                for name in ("special", "segments", "tokens", "offsets")
            },
        )
        target = self.target
        if "token" in target:
            target = {**target, "token": kept.index(target["token"])}
        return replace(self, encoded=shorter, target=target)


class Game:
    """The scalar of a text without some of its units: a game of which they are the players.

    `mask` and `pad` replace the word embeddings of a unit's tokens, everything else stays the
    text's; `remove` takes the tokens out of the sequence.
    """

    def __init__(self, question: Question, unit: str, replacement: str):
        self.question = question
        self.units = question.units(unit, replacement)
        self.replacement = replacement
        self.values: dict[tuple[bool, ...], float] = {}

    def __len__(self) -> int:
        return len(self.units)

    def __call__(self, kept) -> float:
        """The scalar where `kept` says of each unit whether it is there."""
        key = tuple(map(bool, kept))
        assert len(key) == len(self.units)
        if key not in self.values:
            units = zip(self.units, key, strict=True)
            gone = {place for unit, here in units if not here for place in unit.tokens}
            self.values[key] = self.value(gone)
        return self.values[key]

    @property
    def full(self) -> float:
        return self([True] * len(self))

    @property
    def empty(self) -> float:
        return self([False] * len(self))

    def value(self, gone: set[int]) -> float:
        """The scalar without these tokens."""
        if self.replacement == "remove":
            return self.question.without(gone).value()
        reference, encoded = self.question.reference, self.question.encoded
        places = sorted(gone)
        ids = encoded.input_ids.clone()
        ids[0, places] = reference.replaced_ids(encoded, self.replacement)[0, places]
        embedded = reference.layers["word_embeddings"](ids)
        replaced = reference.from_layer("word_embeddings", self.question.function)
        with torch.no_grad():
            return replaced(embedded, *encoded.model_args).item()

    def spread(self, scores) -> list[float]:
        """A score per token: a unit's, evenly over its tokens."""
        token = [0.0] * len(self.question.encoded.tokens)
        for unit, score in zip(self.units, scores, strict=True):
            for place in unit.tokens:
                token[place] = float(score) / len(unit.tokens)
        return token
