"""Explains what a BERT-family model did with a text.

>>> from explaind import explain
>>> explain("This movie is really great.")          # in a notebook: a heat map

`explain` and `predict` use a service of their own, which the first call starts on this machine.
`Client` and `AsyncClient` also connect to a service that is running elsewhere.
"""

from explaind._default import explain, predict
from explaind._steps import ExplainOptions, PredictOptions
from explaind.client import AsyncClient, Client
from explaind.errors import Problem, ProblemError, ServerError
from explaind.results import (
    Attention,
    Explanation,
    Prediction,
    Predictions,
    Result,
    Results,
    Token,
    Unit,
)

__all__ = [
    "AsyncClient",
    "Attention",
    "Client",
    "ExplainOptions",
    "Explanation",
    "PredictOptions",
    "Prediction",
    "Predictions",
    "Problem",
    "ProblemError",
    "Result",
    "Results",
    "ServerError",
    "Token",
    "Unit",
    "explain",
    "predict",
]
