"""One request to a webhook's address, to be answered within seconds, whatever the other side does.

Written on `http.client` because what matters here is what HTTP libraries hide: which address is
connected to, and that nothing (a proxy, a redirect, another look-up) leads elsewhere.
"""

from __future__ import annotations

import io
import re
import socket
import ssl
import time
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

from audioapi.webhooks import targets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from _typeshed import ReadableBuffer, WriteableBuffer

    from audioapi.webhooks.targets import Target

_REDIRECTS = range(300, 400)
_SECONDS = re.compile(r"[0-9]{1,6}")  # the other form of Retry-After, a date, is passed over


@dataclass(frozen=True)
class Outcome:
    """What came of a request: the status code of its answer, or why there is none.

    `retry_after`, in seconds, is what the answer asks for.
    """

    status_code: int | None = None
    error: str | None = None
    retry_after: int = 0

    @property
    def delivered(self) -> bool:
        return self.status_code in range(200, 300)


class _Deadline:
    """A moment that all steps of a request share."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds; TimeoutError if there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _TimedReader(io.RawIOBase):
    """What comes in, until the deadline: a socket's own time-out begins anew with every byte, and
    so ends nothing that trickles.
    """

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._sock.settimeout(self._deadline.left())
        return self._sock.recv_into(buffer)


class _TimedSocket:
    """As much of a socket as `http.client` uses."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: ReadableBuffer) -> None:
        self._sock.settimeout(self._deadline.left())  # for all of it, other than recv's
        self._sock.sendall(data)

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._deadline))

    def close(self) -> None:
        self._sock.close()


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, private_allowed: bool, seconds: float
) -> Outcome:
    """Sends `body`, JSON, to `url`. Never raises for what the other side does.

    Of the answer nothing but its head is read: its body could be endless or hold a secret.
    """
    deadline = _Deadline(seconds)
    try:
        target = targets.parse(url, private_allowed=private_allowed)
        addresses = targets.resolve(
            target, private_allowed=private_allowed, seconds=deadline.left()
        )
        with _connected(target, addresses, deadline) as sock:
            return _exchange(target, _TimedSocket(sock, deadline), body, headers)
    except TimeoutError:
        return Outcome(error=f"no answer within {seconds:g} s")
    except (targets.TargetError, HTTPException, OSError) as error:
        return Outcome(error=_reason(error))


def _reason(error: targets.TargetError | HTTPException | OSError) -> str:
    """Why a request failed, for whoever owns the address."""
    match error:
        case targets.TargetError():
            return f"url: {error}"
        case ssl.SSLCertVerificationError():
            return f"certificate: {error.verify_message}"
        case ssl.SSLError():
            return "TLS failed"
        case HTTPException():
            return "the connection was closed, or the answer is not HTTP"
        case _:
            return error.strerror or "the connection failed"


def _connected(target: Target, addresses: Sequence[str], deadline: _Deadline) -> socket.socket:
    """A connection to the first address that takes one, encrypted if the URL says so."""
    for number, address in enumerate(addresses, start=1):
        share = deadline.left() / (len(addresses) - number + 1)
        try:
            sock = socket.create_connection((address, target.port), timeout=share)
        except OSError:
            if number == len(addresses):
                raise
        else:
            return _encrypted(sock, target.host, deadline) if target.scheme == "https" else sock
    raise OSError("no address")


def _encrypted(sock: socket.socket, host: str, deadline: _Deadline) -> socket.socket:
    try:
        sock.settimeout(deadline.left())
        return _tls().wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise


def _exchange(
    target: Target, sock: _TimedSocket, body: bytes, headers: Mapping[str, str]
) -> Outcome:
    connection = HTTPConnection(target.host, target.port)
    connection.auto_open = 0  # it never looks the host up itself
    connection.sock = sock
    own = {
        "Host": target.authority,
        "Content-Type": "application/json",
        "User-Agent": "serverless-audio-webhooks",
        "Connection": "close",
    }
    connection.request("POST", target.path, body, {**own, **headers})
    answer = connection.getresponse()
    with answer:
        asked = answer.headers.get("retry-after", "")
        return Outcome(
            status_code=answer.status,
            error="redirects are not followed" if answer.status in _REDIRECTS else None,
            retry_after=int(asked) if _SECONDS.fullmatch(asked) else 0,
        )


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
