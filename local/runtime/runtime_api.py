"""The Runtime API, through which one process of AWS's runtime client gets its requests.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
import uuid
from dataclasses import dataclass, field

from aiohttp import web

from local.template.model import Invocation

PATH = "/2018-06-01/runtime"
PAYLOAD_LIMIT = 6 * 1024 * 1024
"""Bytes of a request or a response."""


class NotTakenError(Exception):
    """The process died before it took the request, so that another one may have it."""


@dataclass
class Request:
    """An invocation on its way; `timeout` is in seconds, and runs from `start_clock` on."""

    event: bytes
    arn: str
    timeout: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    outcome: asyncio.Future[Invocation] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    started: float | None = None
    deadline_ms: int = 0
    taken: bool = False

    def start_clock(self) -> float:
        """When the clock began to run, at the latest now."""
        if self.started is None:
            self.started = time.monotonic()
            self.deadline_ms = int((time.time() + self.timeout) * 1000)
        return self.started

    def headers(self) -> dict[str, str]:
        trace = f"{int(time.time()):08x}-{secrets.token_hex(12)}"
        return {
            "Lambda-Runtime-Aws-Request-Id": self.id,
            "Lambda-Runtime-Deadline-Ms": str(self.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": self.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{trace};Parent={secrets.token_hex(8)};Sampled=0",
        }


class RuntimeApi:
    """A server on loopback for a single process; `initialised` is done at its first request."""

    def __init__(self) -> None:
        self.initialised: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting: asyncio.Queue[Request] = asyncio.Queue()
        self._current: Request | None = None
        self._end: str | None = None
        self._init_failure: Invocation | None = None
        app = web.Application(client_max_size=PAYLOAD_LIMIT)
        app.add_routes(
            [
                web.get(f"{PATH}/invocation/next", self._next),
                web.post(f"{PATH}/invocation/{{id}}/response", self._response),
                web.post(f"{PATH}/invocation/{{id}}/error", self._error),
                web.post(f"{PATH}/init/error", self._init_error),
                web.post(f"{PATH}/restore/error", self._init_error),
            ]
        )
        # A process that dies while it waits for a request must not be given one any more.
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=0.001,  # 0 would be for ever
        )

    async def open(self) -> str:
        """Serve, and return the address as AWS_LAMBDA_RUNTIME_API wants it."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0]
        return f"{host}:{port}"

    async def close(self) -> None:
        await self._runner.cleanup()

    def submit(self, request: Request) -> None:
        """Hand a request to the process; its `outcome` will be set, unless time runs out first."""
        self._current = request
        self._waiting.put_nowait(request)
        if self._end is not None:
            self._lose(request, self._end)

    def process_ended(self, how: str) -> None:
        """`how` as Lambda would tell it."""
        self._end = how
        if self._current is not None:
            self._lose(self._current, self._end)

    def _lose(self, request: Request, end: str) -> None:
        if request.outcome.done():
            return
        if not self.initialised.done():
            self._settle(self._init_failure or Invocation(error="Init", message=end))
        elif request.taken:
            self._settle(Invocation(error="Exit", message=f"RequestId: {request.id} Error: {end}"))
        else:
            request.outcome.set_exception(NotTakenError())

    def _settle(self, outcome: Invocation) -> None:
        if self._current is not None and not self._current.outcome.done():
            self._current.outcome.set_result(outcome)

    async def _next(self, _: web.Request) -> web.Response:
        if not self.initialised.done():
            self.initialised.set_result(time.monotonic())
        request = await self._waiting.get()
        request.taken = True
        request.start_clock()
        return web.Response(
            body=request.event, headers=request.headers(), content_type="application/json"
        )

    async def _response(self, http: web.Request) -> web.Response:
        self._settle(returned(await self._body(http)))
        return web.Response(status=202)

    async def _error(self, http: web.Request) -> web.Response:
        self._settle(Invocation(error="Unhandled", message=described(await self._body(http))))
        return web.Response(status=202)

    async def _init_error(self, http: web.Request) -> web.Response:
        self._init_failure = Invocation(error="Init", message=described(await http.read()))
        self._settle(self._init_failure)
        return web.Response(status=202)

    async def _body(self, http: web.Request) -> bytes:
        if self._current is None or http.match_info["id"] != self._current.id:
            raise web.HTTPBadRequest(text='{"errorType": "InvalidRequestID"}')
        try:
            return await http.read()
        except web.HTTPRequestEntityTooLarge:
            self._settle(too_large("Response"))
            raise


def too_large(what: str) -> Invocation:
    message = f"{what} payload size exceeded maximum allowed payload size ({PAYLOAD_LIMIT} bytes)."
    return Invocation(error="TooLarge", message=message)


def returned(body: bytes) -> Invocation:
    try:
        return Invocation(payload=json.loads(body))
    except ValueError as error:
        return Invocation(error="Unhandled", message=f"The response is no JSON: {error}")


def described(body: bytes) -> str:
    """`errorType: errorMessage` of an error report."""
    try:
        report = json.loads(body)
        return f"{report['errorType']}: {report['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", errors="replace")
