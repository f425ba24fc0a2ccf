"""Requests at and past the gateway's limits, and broken ones: an answer, and nobody disturbed."""

from __future__ import annotations

import contextlib
import json
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from tests.e2e.stack import Stack

LIMIT = 10 * 1024 * 1024


def dialled(stack: Stack) -> socket.socket:
    at = urlsplit(stack.url)
    return socket.create_connection((at.hostname, at.port))


def exchanged(stack: Stack, request: bytes) -> tuple[int, bytes]:
    """The status and the rest of what is answered to these bytes, until the gateway closes."""
    with closing(dialled(stack)) as sock:
        with contextlib.suppress(OSError):  # it was refused before it was read to its end
            sock.sendall(request)
        return answer(sock)


def answer(sock: socket.socket) -> tuple[int, bytes]:
    received = b""
    while data := sock.recv(65536):
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def head(line: str, *fields: str) -> bytes:
    return "\r\n".join([line, "Host: localhost", "Connection: close", *fields, "", ""]).encode()


def works(stack: Stack) -> bool:
    return stack.get("/api/audio/sessions").status == 200


def problem(body: bytes) -> Any:
    told = json.loads(body)
    assert {"status", "detail", "code", "request_id"} <= set(told)
    return told


def test_a_body_of_one_byte_too_many(stack: Stack) -> None:
    declared = head("POST /memories/audio HTTP/1.1", f"Content-Length: {LIMIT + 1}")
    status, _ = exchanged(stack, declared + bytes(LIMIT + 1))
    assert status == 413
    assert works(stack)


def test_a_body_that_grows_past_the_limit_unannounced(stack: Stack) -> None:
    piece = b"100000\r\n" + bytes(0x100000) + b"\r\n"  # 1 MiB
    chunked = head("POST /memories/audio HTTP/1.1", "Transfer-Encoding: chunked")
    status, _ = exchanged(stack, chunked + piece * 11 + b"0\r\n\r\n")
    assert status == 413
    assert works(stack)


def test_more_headers_than_anybody_needs(stack: Stack) -> None:
    fields = [f"X-Number-{number}: {number}" for number in range(101)]
    key = f"x-api-key: {stack.api_key}"
    status, _ = exchanged(stack, head("GET /api/audio/sessions HTTP/1.1", key, *fields))
    assert status == 200


def test_headers_over_the_limit(stack: Stack) -> None:
    fields = [f"X-Number-{number}: {'x' * 120}" for number in range(101)]
    status, _ = exchanged(stack, head("GET /api/audio/sessions HTTP/1.1", *fields))
    assert status == 431
    assert works(stack)


def test_a_long_url_is_a_path_that_is_not_there(stack: Stack) -> None:
    status, body = exchanged(stack, head(f"GET /{'x' * 9000} HTTP/1.1"))
    assert (status, problem(body)["code"]) == (404, "NOT_FOUND")


def test_a_longer_one_is_refused(stack: Stack) -> None:
    status, _ = exchanged(stack, head(f"GET /{'x' * 40_000} HTTP/1.1"))
    assert status == 431
    assert works(stack)


@pytest.mark.parametrize("path", ["/memories/%ff%fe", "/get_audio_task/%C3%28", "/%ff"])
def test_a_path_that_is_no_utf8(stack: Stack, path: str) -> None:
    key = f"x-api-key: {stack.api_key}"
    status, body = exchanged(stack, head(f"GET {path} HTTP/1.1", key))
    assert (status, problem(body)["status"]) in ((404, 404), (405, 405))


def test_a_body_that_is_no_utf8(stack: Stack) -> None:
    body = b'{"memory_id": "\xff\xfe"}'
    fields = (
        f"x-api-key: {stack.api_key}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    status, told = exchanged(stack, head("POST /memories/audio HTTP/1.1", *fields) + body)
    assert (status, problem(told)["status"]) in ((400, 400), (404, 404))


@pytest.mark.parametrize("method", ["BREW", "TRACE", "PATCH", "get"])
def test_an_unknown_method(stack: Stack, method: str) -> None:
    status, body = exchanged(stack, head(f"{method} /memories HTTP/1.1"))
    assert status in (400, 405)
    if status == 405:
        assert problem(body)["valid_values"] == ["GET"]


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00", b"hello\r\n\r\n", b"GET\r\n\r\n"])
def test_what_is_no_http_at_all(stack: Stack, garbage: bytes) -> None:
    with closing(dialled(stack)) as sock:
        sock.sendall(garbage)
        sock.shutdown(socket.SHUT_WR)
        assert b" 200 " not in sock.recv(65536)
    assert works(stack)


def test_a_slow_client_holds_up_nobody(stack: Stack) -> None:
    """One whose head never ends is cut off; one whose body never comes is told so."""
    with closing(dialled(stack)) as headless, closing(dialled(stack)) as bodiless:
        headless.sendall(b"GET /mem")
        bodiless.sendall(head("POST /memories/audio HTTP/1.1", "Content-Length: 20") + b"{")
        assert works(stack)
        assert headless.recv(65536) == b""
        assert answer(bodiless)[0] == 408
    assert works(stack)
