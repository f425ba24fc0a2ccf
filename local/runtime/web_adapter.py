"""A function that is a web server, run as the Lambda Web Adapter runs it.

https://awslabs.github.io/aws-lambda-web-adapter/
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from local.processes.ports import free_port
from local.processes.waiting import unless
from local.runtime.environment import VERSION, Environment, variables
from local.runtime.process import LAST_WORDS
from local.runtime.runtime_api import NotTakenError, Request
from local.runtime.snapshot import PROGRAM, Snapshot
from local.template.model import Invocation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from local.runtime.environment import Host
    from local.template.model import Function

READINESS_PATH = "AWS_LWA_READINESS_CHECK_PATH"
READY_BELOW = 500
"""A status from here on says that the server isn't ready yet."""
ASK_EVERY, ASK_SELDOM = 0.005, 0.2
"""Seconds: of a server that is about to be ready, and of one that should not become one."""
LOOPBACK = "127.0.0.1"
FORKING_PYTHON = Path(__file__).with_name("bin")
HEAD_LIMIT = 64 * 1024
"""Bytes of a line of a response's head."""


@dataclass(frozen=True)
class Exchange:
    """An HTTP request to a function, with its event's context, and the way back of the answer.

    `target` is a path with its query, as encoded as it came. Once it is `abandoned` the server's
    connection is closed, which tells the server.
    """

    id: str
    method: str
    target: URL
    headers: Mapping[str, str]
    context: Mapping[str, Any]
    body: bytes
    answer: Callable[[aiohttp.ClientResponse], Awaitable[None]]
    abandoned: asyncio.Event = field(default_factory=asyncio.Event)


class WebEnvironment(Environment[Exchange]):
    """A process of the handler, a program that serves HTTP on the port that it is given."""

    _port: int
    _client: aiohttp.ClientSession
    _ready: asyncio.Task[float]

    @classmethod
    def snapshot(cls, function: Function, host: Host) -> Snapshot:
        """Its `python` is the first on its PATH that forks."""
        port = free_port()
        given = server_variables(function, host, port)
        forking = {
            "PATH": os.pathsep.join([str(FORKING_PYTHON), given["PATH"]]),
            "SNAPSHOT_PROGRAM": str(PROGRAM),
            "SNAPSHOT_PYTHON": host.python,
        }
        return Snapshot(
            function.name,
            function.code,
            [str(function.code / function.handler)],
            given | forking,
            logs=host.logs,
            on_spawn=host.on_spawn,
            serves=lambda: answers(function, port, ask_every=ASK_SELDOM),
        )

    async def start(self) -> None:
        self._port = free_port()
        given = server_variables(self._function, self._host, self._port)
        await self._run([str(self._function.code / self._function.handler)], given)
        self._client = client()
        self._ready = asyncio.create_task(self._become_ready())

    async def close(self) -> None:
        self._ready.cancel()
        await super().close()
        await self._client.close()

    @property
    def _up(self) -> asyncio.Future[float]:
        return self._ready

    async def _become_ready(self) -> float:
        await asyncio.wait({self._launch})
        if self._process is None:
            await asyncio.Event().wait()  # it never will be
        return await answers(self._function, self._port, ask_every=ASK_EVERY)

    def _submit(self, call: Exchange) -> Request:
        request = Request(call.body, self._arn, self._function.timeout, call.id)
        request.outcome = asyncio.create_task(self._serve(request, call))
        return request

    async def _serve(self, request: Request, exchange: Exchange) -> Invocation:
        await asyncio.wait({self._ready, self._end}, return_when=asyncio.FIRST_COMPLETED)
        if not self._ready.done():
            return Invocation(error="Init", message=self._how_it_ended())
        try:
            await unless(exchange.abandoned, self._pass_on(request, exchange))
        except aiohttp.ClientError as error:
            return await self._failed(request, error)
        return Invocation()

    async def _pass_on(self, request: Request, exchange: Exchange) -> None:
        request.start_clock()
        contexts = {
            "x-amzn-request-context": json.dumps(exchange.context),
            "x-amzn-lambda-context": json.dumps(self._context(request, exchange)),
        }
        async with self._client.request(
            exchange.method,
            url(self._port, exchange.target),
            headers={**exchange.headers, **contexts},
            data=io.BytesIO(exchange.body) if exchange.body else None,
            allow_redirects=False,
        ) as answer:
            await exchange.answer(answer)

    def _context(self, request: Request, exchange: Exchange) -> dict[str, Any]:
        """What the adapter, which is written in Rust, makes of Lambda's context object."""
        return {
            "request_id": request.id,
            "deadline": request.deadline_ms,
            "invoked_function_arn": request.arn,
            "xray_trace_id": exchange.headers["x-amzn-trace-id"],
            "client_context": None,
            "identity": None,
            "env_config": {
                "function_name": self._function.name,
                "memory": self._function.memory,
                "version": VERSION,
                "log_stream": "",
                "log_group": "",
            },
        }

    async def _failed(self, request: Request, error: aiohttp.ClientError) -> Invocation:
        """A connection that was refused, or has broken: by the process's end in most cases."""
        await asyncio.wait({self._end}, timeout=LAST_WORDS)
        if not self._end.done():
            return Invocation(error="Unhandled", message=f"{type(error).__name__}: {error}")
        if isinstance(error, aiohttp.ClientConnectorError):
            raise NotTakenError from error
        message = f"RequestId: {request.id} Error: {self._how_it_ended()}"
        return Invocation(error="Exit", message=message)

    def _how_it_ended(self) -> str:
        return self._end.result()


def server_variables(function: Function, host: Host, port: int) -> dict[str, str]:
    """With a port of its own, for all are on one machine, and the runtime's `python`."""
    given = variables(function, host)
    search = os.pathsep.join([str(Path(host.python).parent), given["PATH"]])
    return given | {"AWS_LWA_PORT": str(port), "PORT": str(port), "PATH": search}


async def answers(function: Function, port: int, *, ask_every: float) -> float:
    """When the server at `port` said that it is ready."""
    readiness = url(port, URL(function.environment.get(READINESS_PATH, "/")))
    async with client() as asking:
        while True:
            with suppress(aiohttp.ClientError):
                async with asking.get(readiness) as answer:
                    if answer.status < READY_BELOW:
                        return time.monotonic()
            await asyncio.sleep(ask_every)


def url(port: int, target: URL) -> URL:
    return URL.build(
        scheme="http",
        host=LOOPBACK,
        port=port,
        path=target.raw_path,
        query_string=target.raw_query_string,
        encoded=True,
    )


def client() -> aiohttp.ClientSession:
    """Passes everything on as it is, and waits as long as the invocation may take."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True),
        timeout=aiohttp.ClientTimeout(),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        auto_decompress=False,
        max_line_size=HEAD_LIMIT,
        max_field_size=HEAD_LIMIT,
    )
