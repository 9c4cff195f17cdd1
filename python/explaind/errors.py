"""Errors of the service (RFC 9457), and of starting it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Problem:
    """What is wrong with a request or with one of its inputs, and what to change."""

    code: str
    title: str
    status: int
    detail: str
    pointer: str | None = None
    """JSON pointer to the field, such as `/inputs/3/text`."""
    request_id: str | None = None
    raw: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Problem:
        known = ("code", "title", "status", "detail", "pointer", "request_id")
        return cls(**{name: raw[name] for name in known if name in raw}, raw=raw)


class ProblemError(Exception):
    """The service rejected a request."""

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        place = f" ({problem.pointer})" if problem.pointer else ""
        super().__init__(f"{problem.code}{place}: {problem.detail}")
        self.problem = problem
        self.retry_after = retry_after
        """Seconds after which to try again, if the service is overloaded."""


class ServerError(RuntimeError):
    """The service could not be started on this machine."""
