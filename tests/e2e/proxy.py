"""An HTTP proxy that makes trouble between a stack's functions and their S3, DynamoDB and SQS.

Functions that have its `url` as HTTP_PROXY ask everything through it. What isn't signed for one of
the three services passes as it is, and so does everything outside the `trouble`.
"""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.integration.simulation.network import ANSWERS, Trouble, written
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SERVICES = ("dynamodb", "s3", "sqs")
_OF_A_HOP = ("connection", "keep-alive", "transfer-encoding")
_SIGNED = re.compile(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/aws4_request")
_COUNTED = {
    Trouble.LOST_ANSWER: "answers lost",
    Trouble.LOST_REQUEST: "requests lost",
    Trouble.INTERNAL: "answered with 500",
    Trouble.UNAVAILABLE: "answered with 503",
    Trouble.THROTTLED: "throttled",
    Trouble.SLOW: "slow",
    Trouble.AWAY: "while the service was away",
}
_KINDS = (
    *(Trouble.LOST_ANSWER, Trouble.LOST_ANSWER, Trouble.LOST_REQUEST, Trouble.SLOW),
    *(Trouble.INTERNAL, Trouble.UNAVAILABLE, Trouble.THROTTLED),
)
"""Lost answers twice: nothing else is as hard."""
_RATES = (0.05, 0.1, 0.2)
_SPAN, _LONGEST_AWAY = 200, 60
"""Calls of a service: of so many, it may be away for up to so many in a row."""
_SHORTEST, _LONGEST = 0.05, 20.0
"""Seconds that a slow call takes; a function that answers a message has 15."""


@dataclass(frozen=True)
class Call:
    """What a function asks of a service: an operation's name, or a method of S3's."""

    caller: str
    service: str
    operation: str

    @classmethod
    def of(cls, request: BaseHTTPRequestHandler) -> Call:
        """By its signature, whose key is the function's name here. Presigned requests have none."""
        signed = _SIGNED.search(request.headers.get("Authorization", ""))
        caller, service = signed.groups() if signed else ("", "")
        target = request.headers.get("X-Amz-Target", "")
        return cls(caller, service, target.rpartition(".")[2] or request.command)

    def __str__(self) -> str:
        return f"{self.caller}, {self.service} {self.operation}"


class Plan:
    """What happens to which call, by the seed: one is known by who asks what, and its number among
    those. So a run with the same seed meets the same trouble as far as it makes the same calls.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._rate = random.Random(seed).choice(_RATES)
        self._asked: Counter[object] = Counter()
        self._lock = threading.Lock()

    def happens(self, call: Call) -> tuple[Trouble | None, float]:
        """What does, if anything, and after how many seconds."""
        chance = random.Random(f"{self._seed} {call} {self._number(call)}")
        if self._is_away(call.service, self._number(call.service)):
            return Trouble.AWAY, 0.0
        if chance.random() >= self._rate:
            return None, 0.0
        trouble = chance.choice(_KINDS)
        slow = _SHORTEST * (_LONGEST / _SHORTEST) ** chance.random()
        return trouble, slow if trouble is Trouble.SLOW else 0.0

    def _number(self, of: object) -> int:
        with self._lock:
            self._asked[of] += 1
            return self._asked[of]

    def _is_away(self, service: str, number: int) -> bool:
        span, within = divmod(number, _SPAN)
        chance = random.Random(f"{self._seed} {service} {span}")
        return chance.random() < 0.3 and within < chance.randint(1, _LONGEST_AWAY)


@dataclass
class Proxy:
    """`counts` are the calls that might have met trouble, and what of it they met."""

    url: str
    counts: Counter[str] = field(default_factory=Counter)
    _plan: Plan | None = None
    _closed: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def trouble(self, seed: int) -> Iterator[None]:
        """For the block."""
        self._plan = Plan(seed)
        try:
            yield
        finally:
            self._plan = None

    def meets(self, call: Call) -> Trouble | None:
        """What happens to the call; returns when it may go on."""
        plan = self._plan
        if call.service not in SERVICES or plan is None:
            return None
        trouble, seconds = plan.happens(call)
        with self._lock:
            self.counts["calls"] += 1
            if trouble:
                self.counts[_COUNTED[trouble]] += 1
        self._closed.wait(seconds)
        return trouble

    def close(self) -> None:
        self._closed.set()


@contextmanager
def proxying() -> Iterator[Proxy]:
    """A proxy on a free port of loopback."""
    server = _Server(("127.0.0.1", 0), BaseHTTPRequestHandler)
    proxy = Proxy(f"http://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = _handler(proxy)
    with serving(server), closing(proxy):
        yield proxy


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # many functions connect at once
    block_on_close = False  # a connection lasts as long as its function

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a function that was killed, or has had enough, hangs up."""


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # a connection is kept, as the services keep it
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            call = Call.of(self)
            trouble = proxy.meets(call)
            refusal = _refusal(call.service, trouble)
            answer = None
            if trouble is not Trouble.LOST_REQUEST:
                answer = refusal or _carried_out(self, body)
            if answer is None or trouble is Trouble.LOST_ANSWER:
                self.close_connection = True
            else:
                self._send(answer)

        do_DELETE = do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - http.server's names

        def _send(self, answer: _Answer) -> None:
            self.send_response_only(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Nothing: the proxy counts."""

    return Handler


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Sequence[tuple[str, str]]
    content: bytes


def _refusal(service: str, trouble: Trouble | None) -> _Answer | None:
    """What the service itself says of the trouble, if it does."""
    known = Trouble.UNAVAILABLE if trouble is Trouble.AWAY else trouble
    if known is None or (service, known) not in ANSWERS:
        return None
    status, code = ANSWERS[service, known]
    text, headers = written(service, code)
    return _Answer(status, [*headers.items(), ("Content-Length", str(len(text)))], text.encode())


def _carried_out(request: BaseHTTPRequestHandler, body: bytes) -> _Answer | None:
    """The answer of whom the request is for; None if nobody is there, as at a stack's end."""
    address = urlsplit(request.path)  # a proxy is asked for whole addresses
    target = f"{address.path}?{address.query}" if address.query else address.path
    # Who expects to be told to continue was told so by this server.
    headers = {name: value for name, value in request.headers.items() if name.lower() != "expect"}
    upstream = HTTPConnection(address.netloc)
    try:
        upstream.request(request.command, target, body or None, headers)
        response = upstream.getresponse()
        content = response.read()
    except (OSError, HTTPException):
        return None
    finally:
        upstream.close()
    told = response.headers
    for name in _OF_A_HOP:
        del told[name]
    if request.command != "HEAD":
        del told["Content-Length"]
        told["Content-Length"] = str(len(content))
    return _Answer(response.status, told.items(), content)
