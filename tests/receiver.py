"""A webhook's address: an HTTP server on loopback that keeps what it gets and answers as told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from standardwebhooks import Webhook

from tests.serving import serving

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Got:
    path: str
    headers: dict[str, str]
    body: bytes

    def verified(self, secret: str) -> Any:
        """The payload, if an independent implementation takes the signature for good."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """Each request is answered by the next of `replies`, and by the last one from then on."""

    url: str
    port: int
    replies: list[Reply] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)


def status(code: int, **headers: str) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return reply


@contextmanager
def receiving(*replies: Reply, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = server.server_address[1]
    scheme = "https" if tls else "http"
    receiver = Receiver(f"{scheme}://127.0.0.1:{port}/hook", port, list(replies or [status(204)]))
    server.RequestHandlerClass = _handler(receiver)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    with serving(server):
        yield receiver


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.got.append(Got(self.path, headers, body))
            replies = receiver.replies
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
            reply(self)

        def log_message(self, *_: object) -> None:
            """Nothing: the tests look at what was kept."""

    return Handler
