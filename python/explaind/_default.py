"""`explain` and `predict` without a client."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, overload

from explaind._steps import ExplainOptions, PredictOptions, Text
from explaind.client import Client
from explaind.results import Predictions, Result, Results

if TYPE_CHECKING:
    from typing_extensions import Unpack


@functools.cache
def _client() -> Client:
    return Client()


@overload
def explain(inputs: list[Text], **options: Unpack[ExplainOptions]) -> Results[Result]: ...
@overload
def explain(inputs: Text, **options: Unpack[ExplainOptions]) -> Result: ...
def explain(inputs: Any, **options: Any) -> Any:
    """Explains a text, or each text of a list, with `EXPLAIND_URL` or a service on this machine."""
    return _client().explain(inputs, **options)


@overload
def predict(inputs: list[Text], **options: Unpack[PredictOptions]) -> Results[Predictions]: ...
@overload
def predict(inputs: Text, **options: Unpack[PredictOptions]) -> Predictions: ...
def predict(inputs: Any, **options: Any) -> Any:
    """Predicts only; see `explain`."""
    return _client().predict(inputs, **options)
