"""One client's open WebSocket, and the callback API by which functions reach it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiohttp import web
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from local.gateways.integration import now

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from websockets.asyncio.server import ServerConnection

    from local.gateways.integration import Background
    from local.gateways.websocket_events import Caller
    from local.template.model import WebSocketApi

_log = logging.getLogger("local.websocket")

MESSAGE_LIMIT = 128 * 1024
# Ours, for a client that never reads; AWS keeps its own limit to itself, and answers it the same.
POSTS_IN_FLIGHT = 64


class Connection:
    """An open connection of `caller`; remembers when it was last used."""

    def __init__(self, api: WebSocketApi, caller: Caller, socket: ServerConnection) -> None:
        self.api = api
        self.caller = caller
        self.active_at = caller.connected_at
        self.posting = 0
        self._socket = socket
        self._received_at = caller.connected_at
        self._warnings: set[str] = set()

    def tick(self) -> int:
        """Return the time of receipt in epoch milliseconds, later than the one before.

        Messages are invoked in no order; by this the order of receipt can be told.
        """
        self.active_at = now()
        self._received_at = max(self.active_at, self._received_at + 1)
        return self._received_at

    async def send(self, data: str | bytes) -> None:
        """Send one message; raise ConnectionClosed if the client is gone."""
        await self._socket.send(data)
        self.active_at = now()

    async def close(self, code: int, reason: str = "") -> None:
        await self._socket.close(code, reason)

    async def expire(self, idle_timeout: float, max_duration: float) -> None:
        """Close the connection when nothing was sent either way for so long, or it is so old."""
        left = self._lifetime(idle_timeout, max_duration)
        while left > 0:
            await asyncio.sleep(left)
            left = self._lifetime(idle_timeout, max_duration)
        await self.close(CloseCode.GOING_AWAY, "Going away")

    def _lifetime(self, idle_timeout: float, max_duration: float) -> float:
        idle, age = now() - self.active_at, now() - self.caller.connected_at
        return min(idle_timeout - idle / 1000, max_duration - age / 1000)

    def warn_once(self, warning: str) -> None:
        if warning not in self._warnings:
            self._warnings.add(warning)
            _log.warning("Connection %s: %s", self.caller.connection_id, warning)


class CallbackApi:
    """`/@connections/{connection_id}` for the open connections, by their ids."""

    def __init__(self, connections: MutableMapping[str, Connection], closing: Background) -> None:
        self._connections = connections
        self._closing = closing

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the routes, with and without the stage that an endpoint URL may end in."""
        for stage in ("", "/{stage}"):
            path = f"{stage}/@connections/{{connection_id}}"
            router.add_post(path, self._post)
            router.add_get(path, self._get, allow_head=False)
            router.add_delete(path, self._delete)

    async def _post(self, request: web.Request) -> web.Response:
        data = await request.read()
        if len(data) > MESSAGE_LIMIT:
            return _error(413, "PayloadTooLargeException")
        connection = self._connections.get(request.match_info["connection_id"])
        if connection is None:
            return _error(410, "GoneException")
        if connection.posting >= POSTS_IN_FLIGHT:
            return _error(429, "LimitExceededException")
        return await _send(connection, data)

    async def _get(self, request: web.Request) -> web.Response:
        connection = self._connections.get(request.match_info["connection_id"])
        if connection is None:
            return _error(410, "GoneException")
        caller = connection.caller
        return web.json_response(
            {
                "connectedAt": _iso8601(caller.connected_at),
                "identity": {"sourceIp": caller.source_ip, "userAgent": caller.user_agent or ""},
                "lastActiveAt": _iso8601(connection.active_at),
            }
        )

    async def _delete(self, request: web.Request) -> web.Response:
        # Gone from now on: the closing handshake may take the client a while.
        connection = self._connections.pop(request.match_info["connection_id"], None)
        if connection is None:
            return _error(410, "GoneException")
        self._closing.start(connection.close(CloseCode.NORMAL_CLOSURE))
        return web.Response(status=204)


async def _send(connection: Connection, data: bytes) -> web.Response:
    connection.posting += 1
    try:
        await connection.send(_text(data))
    except ConnectionClosed:
        return _error(410, "GoneException")
    finally:
        connection.posting -= 1
    return web.Response()


def _text(data: bytes) -> str | bytes:
    """What is UTF-8 goes out as a text frame."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _error(status: int, kind: str) -> web.Response:
    """Build an error that the AWS SDKs raise under its name."""
    return web.json_response({"message": kind}, status=status, headers={"x-amzn-ErrorType": kind})


def _iso8601(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
