"""Lambda function URLs that stream what a web server answers.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
"""

from __future__ import annotations

import asyncio
import json
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web
from multidict import CIMultiDict

from local.gateways import cors
from local.gateways.http_event import http_event
from local.gateways.http_routes import Match
from local.gateways.multiplexer import HEAD_LIMIT, listen
from local.runtime.runtime_api import PAYLOAD_LIMIT
from local.runtime.web_adapter import Exchange

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from aiohttp import ClientResponse
    from multidict import CIMultiDictProxy

    from local.template.model import FunctionUrl, Invocation

TOO_LARGE = f"Request must be smaller than {PAYLOAD_LIMIT} bytes for the InvokeFunction operation"
# RFC 9110, 7.6.1
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


class Server(Protocol):
    """Whoever can have a function, a web server, answer a request."""

    async def serve(self, function: str, exchange: Exchange) -> Invocation: ...


class FunctionUrlGateway:
    """A function URL on a port of its own, any that is free, while it is entered.

    A client that goes away ends the server's connection too, unless `strict`: on AWS the function
    isn't told, and runs on to its end.
    """

    url: str

    def __init__(self, declared: FunctionUrl, server: Server, *, strict: bool = False) -> None:
        self._declared = declared
        self._server = server
        self._strict = strict
        app = web.Application(client_max_size=PAYLOAD_LIMIT)
        app.router.add_route("*", r"/{path:[\s\S]*}", self._handle)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,
            handler_cancellation=True,
            max_line_size=HEAD_LIMIT,
            max_field_size=HEAD_LIMIT,
            shutdown_timeout=0.001,  # a stream may have no end to wait for; 0 would be for ever
        )

    async def __aenter__(self) -> Self:
        sockets = listen("localhost", 0)
        self.url = f"http://localhost:{sockets[0].getsockname()[1]}/"
        await self._runner.setup()
        for sock in sockets:
            await web.SockSite(self._runner, sock).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if self._declared.cors and origin and cors.is_preflight(request):
            return cors.preflight(self._declared.cors, origin)
        answer = Answer(request, self._declared)
        try:
            return await self._respond(request, answer)
        except web.HTTPRequestEntityTooLarge:
            return answer.refusal(413, TOO_LARGE)

    async def _respond(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        exchange = await exchange_of(request, self._declared, answer)
        try:
            outcome = await self._server.serve(self._declared.function, exchange)
        except asyncio.CancelledError:
            if not self._strict:
                exchange.abandoned.set()
            raise
        if answer.response is None:
            return answer.refusal(502, "Internal Server Error")
        if outcome.error and request.transport:
            request.transport.abort()
        return answer.response


class Answer:
    """The answer to one request, with the id that its function's log has."""

    def __init__(self, request: web.Request, declared: FunctionUrl) -> None:
        self.id = str(uuid.uuid4())
        self.response: web.StreamResponse | None = None
        self._request = request
        self._cors = declared.cors

    async def stream(self, source: ClientResponse) -> None:
        """Send on what comes as it comes, or nowhere once the client is gone."""
        self.response = self._headed(
            web.StreamResponse(
                status=source.status, reason=source.reason, headers=end_to_end(source.headers)
            )
        )
        with suppress(ConnectionError):
            await self.response.prepare(self._request)
        async for data in source.content.iter_any():
            with suppress(ConnectionError):
                await self.response.write(data)

    def refusal(self, status: int, text: str) -> web.StreamResponse:
        return self._headed(web.Response(status=status, text=text))

    def _headed(self, response: web.StreamResponse) -> web.StreamResponse:
        response.headers["x-amzn-RequestId"] = self.id
        if self._cors:
            cors.add_headers(self._cors, self._request.headers.get("Origin"), response)
        return response


async def exchange_of(request: web.Request, declared: FunctionUrl, answer: Answer) -> Exchange:
    """Raises HTTPRequestEntityTooLarge if the event that Lambda would get is too large."""
    if (request.content_length or 0) > PAYLOAD_LIMIT:
        raise web.HTTPRequestEntityTooLarge(PAYLOAD_LIMIT)
    body = await request.read()
    match = Match("$default", declared.function, {})
    event = http_event(request, body, match, api_id=declared.name, request_id=answer.id)
    if len(json.dumps(event, ensure_ascii=False).encode()) > PAYLOAD_LIMIT:
        raise web.HTTPRequestEntityTooLarge(PAYLOAD_LIMIT)
    return Exchange(
        id=answer.id,
        method=request.method,
        target=request.rel_url,
        headers=headers_of(event),
        context=context_of(event, request),
        body=body,
        answer=answer.stream,
    )


def headers_of(event: Mapping[str, Any]) -> dict[str, str]:
    """The event's headers and cookies; the body's length is its sender's to tell."""
    ours = ("content-length", "expect")
    headers = {name: value for name, value in event["headers"].items() if name not in ours}
    return headers | ({"cookie": "; ".join(event["cookies"])} if "cookies" in event else {})


def context_of(event: Mapping[str, Any], request: web.Request) -> dict[str, Any]:
    """Nobody's account, with AuthType NONE, and the path as encoded as it came."""
    context: dict[str, Any] = event["requestContext"]
    http = context["http"] | {"path": request.rel_url.raw_path}
    return context | {"accountId": "anonymous", "http": http}


def end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    named = ",".join(headers.getall("Connection", ())).lower().split(",")
    dropped = HOP_BY_HOP.union(name.strip() for name in named)
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in dropped
    )
