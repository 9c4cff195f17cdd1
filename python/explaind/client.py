"""Clients of the service."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any, TypeVar, overload

import httpx

from explaind import _server, _steps
from explaind._sources import Model
from explaind._steps import Json, Pause, Request, Steps, Text
from explaind.errors import Problem, ProblemError
from explaind.results import Predictions, Result, Results

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

T = TypeVar("T")


class _Connection:
    """Where the service is, and the keys for it.

    Without a `url`, it is `EXPLAIND_URL`; without that, a service that is started on this machine
    and ends with Python.
    """

    def __init__(self, url: str | None, key: str | None, admin_key: str | None) -> None:
        self._local: _server.LocalServer | None = None
        url = url or os.environ.get("EXPLAIND_URL")
        if url is None:
            self._local = _server.shared()
            url, admin_key = self._local.url, self._local.admin_key
        self.url = url
        self._keys = {False: key, True: admin_key or key}

    def options(self, timeout: float) -> dict[str, Any]:
        # A proxy cannot reach the service on this machine.
        return {"base_url": self.url, "timeout": timeout, "trust_env": self._local is None}

    def arguments(self, request: Request) -> dict[str, Any]:
        key = self._keys[request.admin]
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        body = {} if request.body is None else {"json": request.body}
        return {"method": request.method, "url": request.path, "headers": headers} | body


def _json(response: httpx.Response) -> Json:
    if response.is_success:
        return response.json() if response.content else None
    if response.headers.get("content-type") != "application/problem+json":
        response.raise_for_status()
    after = response.headers.get("retry-after")
    raise ProblemError(Problem.from_json(response.json()), float(after) if after else None)


class Client:
    """A client of the service.

    >>> with Client("http://127.0.0.1:8080") as client:
    ...     client.explain("This movie is really great.", methods=["saliency"])

    Without a URL, a service is started on this machine, which all clients of the process share.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        admin_key: str | None = None,
        timeout: float = 120.0,
    ) -> None:
        self._connection = _Connection(url, key, admin_key)
        self._http = httpx.Client(**self._connection.options(timeout))

    @property
    def url(self) -> str:
        return self._connection.url

    @overload
    def explain(
        self, inputs: list[Text], **options: Unpack[_steps.ExplainOptions]
    ) -> Results[Result]: ...
    @overload
    def explain(self, inputs: Text, **options: Unpack[_steps.ExplainOptions]) -> Result: ...
    def explain(self, inputs: Any, **options: Any) -> Any:
        """Explains a text, or each text of a list."""
        return self._run(_steps.explain(inputs, options))

    @overload
    def predict(
        self, inputs: list[Text], **options: Unpack[_steps.PredictOptions]
    ) -> Results[Predictions]: ...
    @overload
    def predict(self, inputs: Text, **options: Unpack[_steps.PredictOptions]) -> Predictions: ...
    def predict(self, inputs: Any, **options: Any) -> Any:
        """Predicts only."""
        return self._run(_steps.predict(inputs, options))

    def load(self, model: Model, id: str | None = None) -> str:
        """Loads a model into the service and returns its id. A service that was not started by
        this package needs its admin key, and reads folders of its own machine."""
        return self._run(_steps.load(model, id))

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """Calls any other route, such as `request("POST", "/rules", {"inputs": "…"})`."""
        return self._run(_steps.request(method, path, body))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    step = steps.send(None)
                else:
                    response = self._http.request(**self._connection.arguments(step))
                    step = steps.send(_json(response))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


class AsyncClient:
    """The same as `Client`, for asyncio."""

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        admin_key: str | None = None,
        timeout: float = 120.0,
    ) -> None:
        self._arguments = (url, key, admin_key)
        self._timeout = timeout
        self._opening = asyncio.Lock()
        self._open: tuple[_Connection, httpx.AsyncClient] | None = None

    @overload
    async def explain(
        self, inputs: list[Text], **options: Unpack[_steps.ExplainOptions]
    ) -> Results[Result]: ...
    @overload
    async def explain(self, inputs: Text, **options: Unpack[_steps.ExplainOptions]) -> Result: ...
    async def explain(self, inputs: Any, **options: Any) -> Any:
        """Explains a text, or each text of a list."""
        return await self._run(_steps.explain(inputs, options))

    @overload
    async def predict(
        self, inputs: list[Text], **options: Unpack[_steps.PredictOptions]
    ) -> Results[Predictions]: ...
    @overload
    async def predict(
        self, inputs: Text, **options: Unpack[_steps.PredictOptions]
    ) -> Predictions: ...
    async def predict(self, inputs: Any, **options: Any) -> Any:
        """Predicts only."""
        return await self._run(_steps.predict(inputs, options))

    async def load(self, model: Model, id: str | None = None) -> str:
        """Loads a model into the service and returns its id; see `Client.load`."""
        return await self._run(_steps.load(model, id))

    async def request(self, method: str, path: str, body: Json = None) -> Json:
        """Calls any other route; see `Client.request`."""
        return await self._run(_steps.request(method, path, body))

    async def close(self) -> None:
        if self._open is not None:
            await self._open[1].aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _connect(self) -> tuple[_Connection, httpx.AsyncClient]:
        async with self._opening:
            if self._open is None:
                # Starting a service waits for it.
                connection = await asyncio.to_thread(_Connection, *self._arguments)
                http = httpx.AsyncClient(**connection.options(self._timeout))
                self._open = (connection, http)
            return self._open

    async def _run(self, steps: Steps[T]) -> T:
        connection, http = await self._connect()
        try:
            step = next(steps)
            while True:
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    step = steps.send(None)
                else:
                    response = await http.request(**connection.arguments(step))
                    step = steps.send(_json(response))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
