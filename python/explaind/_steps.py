"""What a call sends and what it makes of the responses, without doing any I/O.

A call is a generator that yields requests and pauses, and is sent the JSON of each response, so
that `Client` and `AsyncClient` share it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar

from explaind import _sources
from explaind._sources import Model
from explaind.errors import Problem, ProblemError
from explaind.results import Predictions, Result, Results

T = TypeVar("T")
R = TypeVar("R", Result, Predictions)
Json = Any
Text = str | tuple[str, str] | Mapping[str, Json]
"""A text, a pair of texts, or an input object of the API."""


class PredictOptions(TypedDict, total=False):
    """The fields of POST /predict besides `inputs`; see its description in openapi.yaml."""

    model: Model
    aggregation: str
    handle_impossible_answer: bool
    max_answer_len: int
    top_k: int
    candidate_labels: list[str]
    hypothesis_template: str
    multi_label: bool
    truncate: bool
    budget_ms: int


class ExplainOptions(PredictOptions, total=False):
    """The fields of POST /explain besides `inputs`; see its description in openapi.yaml."""

    target: str | int | Mapping[str, Json]
    output: str
    methods: str | Mapping[str, Json] | list[str | Mapping[str, Json]]
    attention: bool | Mapping[str, Json]
    spans: list[tuple[int, int]]
    granularity: str | list[str]
    normalize: str
    explain_hypothesis: bool
    evaluate: str | list[str] | Mapping[str, Json]
    evidence: Mapping[str, Json]
    inside: str | list[str]
    concepts: list[str]
    lexicon: Mapping[str, list[str]]
    window: Mapping[str, Json]
    seed: int


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Json = None
    admin: bool = False
    """Whether it needs the admin key."""


@dataclass(frozen=True)
class Pause:
    seconds: float


Steps = Generator[Request | Pause, Json, T]


def explain(
    inputs: Text | list[Text], options: Mapping[str, Json]
) -> Steps[Result | Results[Result]]:
    answer = yield from _ask("/explain", inputs, options)
    return _results(answer, inputs, Result.from_json)


def predict(
    inputs: Text | list[Text], options: Mapping[str, Json]
) -> Steps[Predictions | Results[Predictions]]:
    answer = yield from _ask("/predict", inputs, options)
    return _results(answer, inputs, Predictions.from_json)


def request(method: str, path: str, body: Json) -> Steps[Json]:
    return (yield Request(method, path, body))


def load(model: Model, model_id: str | None) -> Steps[str]:
    """Loads a model and waits until it is ready. Returns its id."""
    source = _sources.source_of(model)
    if source is None:
        source = str(model)  # a folder in the service's current directory
    model_id = model_id or _sources.id_of(source)
    path = f"/models/{model_id}"
    state = yield Request("PUT", path, {"source": source}, admin=True)
    # A model with this id may be served until the new one is ready.
    while state["state"] == "loading" or state.get("next", {}).get("state") == "loading":
        yield Pause(0.05)
        state = yield Request("GET", path, admin=True)
    problem = state.get("problem") or state.get("next", {}).get("problem")
    if problem is not None:
        raise ProblemError(Problem.from_json(problem))
    return model_id


def _ask(path: str, inputs: Text | list[Text], options: Mapping[str, Json]) -> Steps[Json]:
    body = dict(options) | {"inputs": _inputs(inputs)}
    model = body.get("model")
    if model is not None and _sources.source_of(model) is not None:
        body["model"] = yield from load(model, None)
    return (yield Request("POST", path, body))


def _inputs(inputs: Text | list[Text]) -> Json:
    if isinstance(inputs, list):
        return [_input(one) for one in inputs]
    return _input(inputs)


def _input(text: Text) -> Json:
    if isinstance(text, tuple):
        return {"text": text[0], "text_pair": text[1]}
    return text


def _results(answer: Json, inputs: Text | list[Text], parse: Callable[[Json], R]) -> R | Results[R]:
    if not isinstance(inputs, list):
        return parse(answer["results"][0])  # had it failed, the status would be an error
    elements: list[R | Problem] = [
        Problem.from_json(raw["error"]) if "error" in raw else parse(raw)
        for raw in answer["results"]
    ]
    return Results(elements, model=answer["model"], usage=answer["usage"])
