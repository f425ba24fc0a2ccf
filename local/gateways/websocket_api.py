"""API Gateway's WebSocket API with Lambda proxy integrations, on one machine.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api.html
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from http.client import responses as REASONS  # noqa: N812 - it is a constant
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Response
from websockets.protocol import State

from local.gateways.http_response import MalformedResponseError, status_of
from local.gateways.integration import Background, Integration, new_id, now
from local.gateways.websocket_connection import MESSAGE_LIMIT, CallbackApi, Connection
from local.gateways.websocket_events import (
    Caller,
    connect_event,
    disconnect_event,
    message_event,
    select_route,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from websockets.http11 import Request

    from local.template.model import Invocation, Invoker, WebSocketApi

_log = logging.getLogger("local.websocket")

# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
FRAME_LIMIT = 32 * 1024
IDLE_TIMEOUT = 600.0
MAX_DURATION = 7200.0
TIMEOUT = 29.0

# Ours: beyond it a connection is not read, lest a client that outruns its functions fill memory.
MESSAGES_IN_FLIGHT = 128
CLOSE_TIMEOUT = 3.0


class WebSocketGateway:
    """Serves WebSocket APIs on a private port, each at the path of its stage; times in seconds.

    `strict` is API Gateway to the letter. Without it the published clients of seed 001 work too:
    - their raw binary frames, which API Gateway refuses with 1003, are passed on as base64;
    - frames over 32 KB are let through: the seed recommends up to 64 KB, and neither browsers nor
      the `websockets` library split a message into frames;
    - a refused handshake carries the body that `$connect` returned, for people at a keyboard.
    """

    def __init__(  # noqa: PLR0913 - API Gateway's limits, each with its default
        self,
        apis: Iterable[WebSocketApi],
        invoker: Invoker,
        *,
        strict: bool = False,
        idle_timeout: float = IDLE_TIMEOUT,
        max_duration: float = MAX_DURATION,
        timeout: float = TIMEOUT,
    ) -> None:
        self._apis = {f"/{api.stage}": api for api in apis}
        self._strict = strict
        self._idle_timeout = idle_timeout
        self._max_duration = max_duration
        self._integration = Integration(invoker, timeout)
        self._background = Background()
        self._admitted: dict[ServerConnection, Connection] = {}
        self._open: dict[str, Connection] = {}
        self._server: Server | None = None
        self.callbacks = CallbackApi(self._open, self._background)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._open)

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 that the gateway listens on once it has started."""
        if self._server is None:
            raise RuntimeError("The gateway has not been started")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            process_response=self._handshake,
            compression=None,  # API Gateway has no permessage-deflate
            server_header=None,
            open_timeout=None,  # the integration's timeout bounds $connect
            ping_interval=None,  # API Gateway sends no pings
            close_timeout=CLOSE_TIMEOUT,
            max_size=(MESSAGE_LIMIT, FRAME_LIMIT if self._strict else None),
        )

    async def close(self, grace: float) -> None:
        """Close every connection with 1001, and give functions `grace` seconds to end."""
        if self._server is None:
            return
        self._server.close()
        closed = asyncio.create_task(self._server.wait_closed())
        await asyncio.wait({closed}, timeout=grace)
        await self._settle(grace)
        await closed
        await self._settle(0)

    async def _settle(self, grace: float) -> None:
        await self._background.close(grace)
        await self._integration.close(0)

    async def _handshake(
        self, socket: ServerConnection, request: Request, response: Response
    ) -> Response | None:
        """Ask `$connect` about a valid handshake: return a refusal, or None to go on."""
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            return None
        path, _, query = request.path.partition("?")
        api = self._apis.get(path.rstrip("/"))
        if api is None:
            return _refusal(403, '{"message":"Forbidden"}', "application/json")
        connection = Connection(api, _caller(api, socket, request.headers), socket)
        event = connect_event(connection.caller, request.headers, query, connection.tick())
        refusal = await self._connect(api, event, response)
        if refusal is None:
            self._admit(socket, connection)
        return refusal

    async def _connect(
        self, api: WebSocketApi, event: Mapping[str, Any], response: Response
    ) -> Response | None:
        """Invoke `$connect`; the client gets any status but 2xx as a refusal."""
        route = api.routes.get("$connect")
        if route is None:
            return None
        try:
            status, payload = _parse(await self._integration.invoke(route.function, event))
        except TimeoutError:
            return _refusal(504)
        except MalformedResponseError:
            # AWS answers a function's error with 502, and keeps 500 for its own
            # (github.com/serverless/serverless-websockets-plugin/issues/13).
            return _refusal(502)
        headers = {name.lower(): str(value) for name, value in payload["headers"].items()}
        if not 200 <= status < 300:  # noqa: PLR2004 - the successes of HTTP
            if self._strict:
                return _refusal(status)
            return _refusal(status, payload["body"], headers.get("content-type", "text/plain"))
        if protocol := headers.get("sec-websocket-protocol"):
            response.headers["Sec-WebSocket-Protocol"] = protocol
        return None

    def _admit(self, socket: ServerConnection, connection: Connection) -> None:
        if socket.state is State.CONNECTING:
            self._admitted[socket] = connection
        else:  # the client left meanwhile, and `$connect` took it for connected
            self._background.start(self._disconnect(connection, CloseCode.ABNORMAL_CLOSURE, ""))

    async def _serve(self, socket: ServerConnection) -> None:
        connection = self._admitted.pop(socket)
        self._open[connection.caller.connection_id] = connection
        expiry = asyncio.create_task(connection.expire(self._idle_timeout, self._max_duration))
        try:
            await self._receive(socket, connection)
        finally:
            expiry.cancel()
            self._open.pop(connection.caller.connection_id, None)
            code = socket.close_code or CloseCode.ABNORMAL_CLOSURE
            farewell = self._disconnect(connection, code, socket.close_reason or "")
            self._background.start(farewell)

    async def _receive(self, socket: ServerConnection, connection: Connection) -> None:
        """Start an invocation for each message, in no order, until the connection ends."""
        slots = asyncio.Semaphore(MESSAGES_IN_FLIGHT)
        while True:
            await slots.acquire()
            try:
                message = await socket.recv()
            except ConnectionClosed:
                return
            if isinstance(message, bytes) and self._strict:
                await socket.close(CloseCode.UNSUPPORTED_DATA, "Binary frames are not supported")
                return
            _warn(connection, message)
            answer = self._background.start(self._answer(connection, message, connection.tick()))
            answer.add_done_callback(lambda _: slots.release())

    async def _answer(self, connection: Connection, message: str | bytes, at: int) -> None:
        reply = await self._reply(connection, message, at)
        if reply:
            try:
                await connection.send(reply)
            except ConnectionClosed:
                _log.debug("Connection %s left before its reply", connection.caller.connection_id)

    async def _reply(self, connection: Connection, message: str | bytes, at: int) -> str:
        """Invoke the message's route; return what the client is to be told, if anything."""
        api, caller, request_id = connection.api, connection.caller, new_id()
        key = select_route(api.selection, api.routes, message)
        if key is None:
            return _error_frame("Forbidden", caller, request_id)
        route = api.routes[key]
        event = message_event(caller, key, message, request_id, at)
        try:
            _, payload = _parse(await self._integration.invoke(route.function, event))
        except TimeoutError:
            return _error_frame("Endpoint request timed out", caller, request_id)
        except MalformedResponseError:
            return _error_frame("Internal server error", caller, request_id)
        return payload["body"] if route.responds else ""

    async def _disconnect(self, connection: Connection, code: int, reason: str) -> None:
        route = connection.api.routes.get("$disconnect")
        if route is None:
            return
        event = disconnect_event(connection.caller, code, reason, connection.tick())
        try:
            await self._integration.invoke(route.function, event)
        except TimeoutError:
            _log.debug("$disconnect of %s took too long", connection.caller.connection_id)


def _caller(api: WebSocketApi, socket: ServerConnection, headers: Headers) -> Caller:
    # The front is the last of the proxies that a request came through.
    proxies = headers.get_all("X-Forwarded-For")
    return Caller(
        api_id=api.name,
        stage=api.stage,
        connection_id=new_id(),
        connected_at=now(),
        domain_name=headers.get("Host", ""),
        source_ip=proxies[-1] if proxies else socket.remote_address[0],
        user_agent=headers.get("User-Agent"),
    )


def _parse(outcome: Invocation) -> tuple[int, dict[str, Any]]:
    """Return the status and the response of an integration, its `headers` and `body` filled in.

    Raise MalformedResponseError if there is none: WebSocket APIs, unlike HTTP APIs, infer nothing.
    """
    payload = outcome.payload
    if outcome.error or not isinstance(payload, dict):
        raise MalformedResponseError(outcome.message)
    status = status_of(payload.get("statusCode"))
    headers, body = payload.get("headers") or {}, payload.get("body") or ""
    if not isinstance(headers, dict) or not isinstance(body, str):
        raise MalformedResponseError("headers or body are of a wrong type")
    return status, {"headers": headers, "body": body}


def _refusal(status: int, body: str = "", content_type: str = "text/plain") -> Response:
    content = body.encode()
    headers = Headers({"Content-Length": str(len(content)), "Connection": "close"})
    if content:
        headers["Content-Type"] = content_type
    return Response(status, REASONS.get(status, ""), headers, content)


def _error_frame(message: str, caller: Caller, request_id: str) -> str:
    """Build the frame that tells a client of a failure, with AWS's own spacing."""
    connection_id = caller.connection_id
    return (
        f'{{"message": "{message}", "connectionId":"{connection_id}", "requestId":"{request_id}"}}'
    )


def _warn(connection: Connection, message: str | bytes) -> None:
    if isinstance(message, bytes):
        connection.warn_once("API Gateway refuses binary frames with 1003; send base64 text")
    if len(message) > FRAME_LIMIT:
        connection.warn_once("API Gateway refuses frames over 32 KB with 1009; send smaller ones")
