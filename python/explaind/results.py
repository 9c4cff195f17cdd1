"""Answers of the service as dataclasses.

Field names are those of the API. `raw` has the complete JSON, including fields that this version
does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from explaind import _html
from explaind.errors import Problem

if TYPE_CHECKING:
    import pandas
    from captum.attr._utils.visualization import VisualizationDataRecord

T = TypeVar("T", "Result", "Predictions")
Json = dict[str, Any]


def _known(cls: type, raw: Json) -> Json:
    return {each.name: raw[each.name] for each in fields(cls) if each.name in raw}


@dataclass(frozen=True)
class Prediction:
    """The scores of one label."""

    label: str
    index: int
    logit: float
    probability: float

    @classmethod
    def from_json(cls, raw: Json) -> Prediction:
        return cls(**_known(cls, raw))


@dataclass(frozen=True)
class Token:
    """A token. `start` and `end` are indexes into the text of its segment."""

    id: int
    text: str
    start: int
    end: int
    segment: int
    special: bool
    word: int | None = None

    @classmethod
    def from_json(cls, raw: Json) -> Token:
        return cls(**_known(cls, raw))


@dataclass(frozen=True)
class Unit:
    """A word, a sentence or a span, with the indexes of its tokens."""

    text: str
    start: int
    end: int
    tokens: list[int]
    segment: int = 0

    @classmethod
    def from_json(cls, raw: Json) -> Unit:
        return cls(**_known(cls, raw))


@dataclass(frozen=True)
class Explanation:
    """The scores of one method for one target."""

    method: str
    options: Json
    target: Json
    output: str
    attributions: dict[str, list[float]]
    """Scores by unit: `token`, `word`, `sentence`, `span`."""
    output_value: float
    baseline_value: float | None = None
    convergence_delta: float | None = None
    converged: bool | None = None
    standard_error: dict[str, list[float]] | None = None
    interactions: Json | None = None
    """Scores of pairs, of `shapley_interactions` and `pair_interactions`."""
    raw: Json = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, raw: Json) -> Explanation:
        return cls(**_known(cls, raw), raw=raw)

    @property
    def target_name(self) -> str:
        """The target in words, such as `POSITIVE` or `POSITIVE - NEGATIVE`."""
        if "contrast" in self.target:
            return " - ".join(each["label"] for each in self.target["contrast"])
        for name in ("label", "position", "index"):
            if name in self.target:
                return str(self.target[name])
        return ", ".join(f"{name} {value}" for name, value in self.target.items())


@dataclass(frozen=True)
class Attention:
    """Attention weights, `[layer][head][query][key]`."""

    kind: str
    layers: list[int]
    heads: list[Any]
    shape: list[int]
    weights: list[list[list[list[float]]]] = field(repr=False)
    raw: Json = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, raw: Json) -> Attention:
        return cls(**_known(cls, raw), raw=raw)


def _predictions(raw: Json) -> list[Prediction]:
    # Token classification has a list for each token, which stays in `raw`.
    entries = raw.get("predictions", [])
    return [Prediction.from_json(each) for each in entries if isinstance(each, dict)]


@dataclass(frozen=True)
class Predictions:
    """The predictions for one input. Tasks other than classification have theirs in `raw`."""

    id: str | None
    predictions: list[Prediction]
    raw: Json = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, raw: Json) -> Predictions:
        return cls(raw.get("id"), _predictions(raw), raw)

    def to_pandas(self) -> pandas.DataFrame:
        """A row per label."""
        import pandas

        columns = [each.name for each in fields(Prediction)]
        return pandas.DataFrame([vars(each) for each in self.predictions], columns=columns)

    def _repr_html_(self) -> str:
        return _html.predictions(self.predictions)


@dataclass(frozen=True)
class Result:
    """The explanation of one input."""

    id: str | None
    predictions: list[Prediction]
    """Best first. Tasks other than classification have theirs in `raw`."""
    tokens: list[Token] = field(repr=False)
    words: list[Unit] = field(repr=False)
    explanations: list[Explanation]
    """One per method and target."""
    attention: Attention | None = field(repr=False)
    evaluation: dict[str, Json] | None
    warnings: list[Json]
    summary: dict[str, str]
    truncated: bool
    raw: Json = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, raw: Json) -> Result:
        attention = raw.get("attention")
        return cls(
            id=raw.get("id"),
            predictions=_predictions(raw),
            tokens=[Token.from_json(each) for each in raw["tokens"]],
            words=[Unit.from_json(each) for each in raw["words"]],
            explanations=[Explanation.from_json(each) for each in raw["explanations"]],
            attention=Attention.from_json(attention) if attention else None,
            evaluation=raw.get("evaluation"),
            warnings=raw.get("warnings", []),
            summary=raw.get("summary", {}),
            truncated=raw["truncated"],
            raw=raw,
        )

    def units(self, kind: str) -> Sequence[Unit | Token]:
        """The units that the scores `attributions[kind]` belong to."""
        if kind == "token":
            return self.tokens
        if kind == "word":
            return self.words
        return [Unit.from_json(each) for each in self.raw[f"{kind}s"]]

    def to_pandas(self, unit: str = "word") -> pandas.DataFrame:
        """A row per unit, method and target."""
        import pandas

        rows = [
            {
                "method": explanation.method,
                "target": explanation.target_name,
                "text": each.text,
                "start": each.start,
                "end": each.end,
                "segment": each.segment,
                "score": score,
            }
            for explanation in self.explanations
            for each, score in zip(self.units(unit), explanation.attributions[unit], strict=True)
        ]
        columns = ["method", "target", "text", "start", "end", "segment", "score"]
        return pandas.DataFrame(rows, columns=columns)

    def to_captum(self, unit: str = "token") -> list[VisualizationDataRecord]:
        """A record per explanation, for `visualize_text` of `captum.attr.visualization`."""
        import torch
        from captum.attr import visualization

        if not self.predictions:
            raise ValueError("Captum's records describe classification; use to_pandas()")
        best = self.predictions[0]
        return [
            visualization.VisualizationDataRecord(
                word_attributions=torch.tensor(explanation.attributions[unit]),
                pred_prob=best.probability,
                pred_class=best.label,
                true_class="",  # the service does not know it
                attr_class=explanation.target_name,
                attr_score=sum(explanation.attributions[unit]),
                raw_input_ids=[each.text for each in self.units(unit)],
                convergence_score=explanation.convergence_delta or 0.0,
            )
            for explanation in self.explanations
        ]

    def _repr_html_(self) -> str:
        return _html.result(self)


@dataclass(frozen=True)
class Results(Sequence[T | Problem], Generic[T]):
    """The results of a list of inputs, in their order; a `Problem` for each input that failed."""

    results: list[T | Problem]
    model: Json
    usage: Json = field(repr=False)

    @overload
    def __getitem__(self, index: int) -> T | Problem: ...
    @overload
    def __getitem__(self, index: slice) -> list[T | Problem]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self.results[index]

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[T | Problem]:
        return iter(self.results)

    def to_pandas(self, **options: Any) -> pandas.DataFrame:
        """The rows of all results; `input` is the index of the input. Skips problems."""
        import pandas

        tables = {
            index: each.to_pandas(**options)
            for index, each in enumerate(self.results)
            if not isinstance(each, Problem)
        }
        joined = pandas.concat(tables, names=["input", None])
        return joined.reset_index(level=0).reset_index(drop=True)

    def _repr_html_(self) -> str:
        return "".join(
            _html.problem(each) if isinstance(each, Problem) else each._repr_html_()
            for each in self.results
        )
