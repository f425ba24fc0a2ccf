"""HTTP with exact headers and connections that are kept, for many threads.

The standard library's openers add headers of their own, which a presigned address may refuse, and
open a connection for each request, which costs a large file's parts their speed on long ways.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CONNECT_TIMEOUT = 10.0
_TIMEOUT = 60.0  # for 64 KiB on their way out, or for an answer
_Server = tuple[str, str]  # scheme and address
_CONNECTIONS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}


@dataclass(frozen=True)
class Response:
    """`headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return self.status in range(200, 300)


class Web:
    """Follows no redirect, so that no key goes where it wasn't meant to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[_Server, list[http.client.HTTPConnection]] = {}
        self._busy: set[http.client.HTTPConnection] = set()
        self._closed = False

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes | memoryview] | None = None,
    ) -> Response:
        """Raises OSError or http.client.HTTPException. A body in pieces needs its Content-Length
        among the headers.
        """
        parts = urlsplit(url)
        server = (parts.scheme, parts.netloc)
        connection = self._taken(server)
        try:
            if connection.sock is None:
                _connect(connection)
            target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            connection.request(method, target, body, dict(headers))
            answered = connection.getresponse()
            response = Response(
                answered.status,
                {name.lower(): value for name, value in answered.getheaders()},
                answered.read(),
            )
        except BaseException:
            self._dropped(connection)
            raise
        self._given_back(server, connection)
        return response

    def close(self) -> None:
        """Ends requests on their way, too: they raise OSError in their threads."""
        with self._lock:
            self._closed = True
            for connection in self._busy:
                _shut_down(connection)
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.close()

    def _taken(self, server: _Server) -> http.client.HTTPConnection:
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError("closed")
            idle = self._idle.get(server)
            connection = (
                idle.pop() if idle else _CONNECTIONS[server[0]](server[1], timeout=_CONNECT_TIMEOUT)
            )
            self._busy.add(connection)
        return connection

    def _given_back(self, server: _Server, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._busy.discard(connection)
            keep = connection.sock is not None and not self._closed
            if keep:
                self._idle.setdefault(server, []).append(connection)
        if not keep:
            connection.close()

    def _dropped(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._busy.discard(connection)
        connection.close()


def _connect(connection: http.client.HTTPConnection) -> None:
    connection.connect()
    connection.sock.settimeout(_TIMEOUT)


def _shut_down(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        with contextlib.suppress(OSError):  # it may be closed already
            # The plain socket's, as a TLS socket's own forgets the session that is in use.
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
