"""The one port of the local stack: HTTP and WebSocket, told apart by a connection's first head.

No library does both as API Gateway does: aiohttp can't limit frames, and `websockets` serves no
HTTP. So an HTTP connection is handed to aiohttp as it is, and a WebSocket spliced to its gateway.
"""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, unquote

from aiohttp import web

from local.gateways.http_api import BODY_LIMIT, HttpGateway
from local.gateways.integration import Background
from local.gateways.websocket_api import IDLE_TIMEOUT, MAX_DURATION, WebSocketGateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

    from local.template.model import Invoker, Stack

HEAD_LIMIT = 32 * 1024
HEAD_TIMEOUT = 10.0
GRACE = 3.0

_HEAD_END = b"\r\n\r\n"
_UPGRADE = re.compile(rb"\r\nupgrade:[^\r\n]*\bwebsocket\b", re.IGNORECASE)
_HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: application/json\r\n"
    b'Content-Length: 45\r\nConnection: close\r\n\r\n{"message":"Request Header Fields Too Large"}'
)

_AUDIO = "/api/ws/audio"
_LOCALHOST = ("127.0.0.1", "::1")
_ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - only named here


def rewrite(path: str, query: str) -> str | None:
    """Return the query that a path of seed 001 comes to at the WebSocket API; None for other paths.

    API Gateway has no path parameters on WebSockets: `/api/ws/audio/{session_id}` becomes
    `?session_id=`. Deployed, a CloudFront function does the same (tests/data/websocket_paths.json).
    """
    if path.rstrip("/") == _AUDIO:
        return query
    session_id = path.removeprefix(f"{_AUDIO}/").rstrip("/")
    if not path.startswith(f"{_AUDIO}/") or "/" in session_id:
        return None
    others = [pair for pair in query.split("&") if pair and not pair.startswith("session_id=")]
    # Encoded as encodeURIComponent does it.
    return "&".join([*others, "session_id=" + quote(unquote(session_id), safe="!~*'()")])


def listen(host: str, port: int) -> list[socket.socket]:
    """Bind a port of `host`; raise OSError if it is taken.

    `localhost` is both of its addresses, for some systems resolve it to IPv6 first and some
    clients try no other. Port 0 is any that is free, the same one on both.
    """
    if host != "localhost":
        return [socket.create_server((host, port), family=_family(host))]
    first = socket.create_server((_LOCALHOST[0], port))
    try:
        return [first, *_listen_ipv6(first.getsockname()[1])]
    except OSError:
        first.close()
        raise


def _listen_ipv6(port: int) -> list[socket.socket]:
    try:
        socket.create_server((_LOCALHOST[1], 0), family=socket.AF_INET6).close()
    except OSError:  # a machine without IPv6
        return []
    return [socket.create_server((_LOCALHOST[1], port), family=socket.AF_INET6)]


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class Multiplexer:
    """Hands each connection to a protocol of `http`, or splices it to the local `websocket_port`.

    The head of its first request may have HEAD_LIMIT bytes and take `head_timeout` seconds.
    A WebSocket whose path is one of seed 001's gets that of `stage`.
    """

    def __init__(
        self,
        http: Callable[[], asyncio.Protocol],
        websocket_port: int,
        stage: str,
        *,
        head_timeout: float = HEAD_TIMEOUT,
    ) -> None:
        self.http = http
        self.head_timeout = head_timeout
        self.transports: set[asyncio.Transport] = set()
        self._websocket_port = websocket_port
        self._stage = stage
        self._servers: list[asyncio.Server] = []
        self._splicing = Background()

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections on listening sockets, which are closed with the front."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            self._servers.append(await loop.create_server(lambda: _Sniffer(self), sock=sock))

    def stop_listening(self) -> None:
        for server in self._servers:
            server.close()

    async def close(self) -> None:
        """Stop listening, and drop what connections are still with the front."""
        self.stop_listening()
        await self._splicing.close(0)
        for transport in self.transports:
            transport.abort()
        await asyncio.sleep(0)  # an aborted transport closes its socket in the loop's next turn

    def splice(self, client: asyncio.Transport, head: bytes) -> None:
        """Connect a WebSocket's client, whose first bytes are `head`, with the gateway."""
        client.pause_reading()
        self._splicing.start(self._splice(client, head))

    async def _splice(self, client: asyncio.Transport, head: bytes) -> None:
        ours, theirs = _Relay(self.transports), _Relay(self.transports)
        ours.partner, theirs.partner = theirs, ours
        theirs.connection_made(client)
        loop = asyncio.get_running_loop()
        try:
            gateway, _ = await loop.create_connection(
                lambda: ours, "127.0.0.1", self._websocket_port
            )
        except OSError:  # the WebSocket gateway has just closed
            client.abort()
            return
        if client.is_closing():
            gateway.abort()
            return
        client.set_protocol(theirs)
        gateway.write(_rewritten(head, self._stage, client.get_extra_info("peername")[0]))
        client.resume_reading()


def _rewritten(head: bytes, stage: str, address: str) -> bytes:
    """Give a WebSocket's request the path of the stage, and the headers that a proxy adds."""
    line, _, rest = head.partition(b"\r\n")
    method, _, target = line.rpartition(b" ")[0].decode("latin-1").partition(" ")
    path, _, query = target.partition("?")
    rewritten = rewrite(path, query)
    if rewritten is not None:
        target = f"/{stage}?{rewritten}" if rewritten else f"/{stage}"
    fields, end, more = rest.partition(_HEAD_END)
    proxied = f"\r\nX-Forwarded-For: {address}\r\nX-Forwarded-Proto: http".encode()
    return f"{method} {target} HTTP/1.1\r\n".encode("latin-1") + fields + proxied + end + more


class _Sniffer(asyncio.Protocol):
    """A new connection, until its first head tells what it is."""

    def __init__(self, front: Multiplexer) -> None:
        self._front = front
        self._head = bytearray()
        self._refused = False
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._front.transports.add(self._transport)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._front.head_timeout, transport.close)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._head += data
        end = self._head.find(_HEAD_END)
        if (len(self._head) if end < 0 else end) > HEAD_LIMIT:
            self._refuse()
        elif end >= 0:
            self._timer.cancel()
            self._hand_over(bytes(self._head), end)

    def _refuse(self) -> None:
        """Answer 431 and read on unheeding: a reset for unread bytes would lose the answer."""
        self._refused = True
        self._head.clear()
        self._transport.write(_HEAD_TOO_LARGE)
        self._transport.write_eof()

    def _hand_over(self, head: bytes, end: int) -> None:
        if _UPGRADE.search(head, 0, end):
            self._front.splice(self._transport, head)
            return
        protocol = self._front.http()
        self._front.transports.discard(self._transport)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(head)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._timer.cancel()
        self._front.transports.discard(self._transport)


class _Relay(asyncio.Protocol):
    """One end of a spliced connection: what it receives its partner sends, as fast as that can."""

    partner: _Relay

    def __init__(self, transports: set[asyncio.Transport]) -> None:
        self._transports = transports
        self.ended = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._transports.add(self.transport)

    def data_received(self, data: bytes) -> None:
        self.partner.transport.write(data)

    def eof_received(self) -> bool:
        """Pass the end on; the other direction stays open until it has ended too."""
        self.ended = True
        self.partner.transport.write_eof()
        return not self.partner.ended

    def pause_writing(self) -> None:
        self.partner.transport.pause_reading()

    def resume_writing(self) -> None:
        self.partner.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transports.discard(self.transport)
        if exc:  # a partner that is not being read would never get rid of what it has
            self.partner.transport.abort()
        else:
            self.partner.transport.close()


class Gateway:
    """The APIs of a stack on one port of `host`, while it is entered; port 0 is any that is free.

    `async with Gateway(stack, invoker) as gateway: ...` raises OSError if the port is taken.
    """

    def __init__(  # noqa: PLR0913 - what `python -m local` lets one choose
        self,
        stack: Stack,
        invoker: Invoker,
        *,
        host: str = "localhost",
        port: int = 8000,
        strict: bool = False,
        idle_timeout: float = IDLE_TIMEOUT,
        max_duration: float = MAX_DURATION,
    ) -> None:
        self.host = host
        self.port = port
        self.http = HttpGateway(stack.http_apis, invoker)
        self.websocket = WebSocketGateway(
            stack.websocket_apis,
            invoker,
            strict=strict,
            idle_timeout=idle_timeout,
            max_duration=max_duration,
        )
        self._stage = stack.websocket_apis[0].stage if stack.websocket_apis else ""
        self._runner = self._make_runner()

    def _make_runner(self) -> web.AppRunner:
        app = web.Application(client_max_size=BODY_LIMIT)
        self.websocket.callbacks.add_routes(app.router)
        app.router.add_route("*", r"/{path:[\s\S]*}", self.http.handle)  # a newline is a path too
        return web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,  # API Gateway passes a body on as it came
            max_line_size=HEAD_LIMIT,
            max_field_size=HEAD_LIMIT,
            shutdown_timeout=GRACE,
        )

    @property
    def url(self) -> str:
        return f"http://{self._authority}"

    @property
    def ws_url(self) -> str:
        return f"ws://{self._authority}"

    @property
    def _authority(self) -> str:
        name = "localhost" if self.host in _ANY_ADDRESS else self.host
        return f"[{name}]:{self.port}" if ":" in name else f"{name}:{self.port}"

    async def __aenter__(self) -> Self:
        sockets = listen(self.host, self.port)
        self.port = sockets[0].getsockname()[1]
        await self.websocket.start()
        await self._runner.setup()
        http = cast("web.Server", self._runner.server)  # there is one once it is set up
        self._front = Multiplexer(http, self.websocket.port, self._stage)
        await self._front.start(sockets)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every WebSocket with 1001, and give what is running a few seconds to end."""
        self._front.stop_listening()
        await self.websocket.close(GRACE)
        await self._runner.cleanup()
        await self.http.close(0)
        await self._front.close()
