"""A request to a webhook ends in seconds and reaches what was checked, whoever answers."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from audioapi.webhooks import sender, targets
from audioapi.webhooks.sender import Outcome
from tests.receiver import receiving, status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Serve = Callable[[socket.socket, threading.Event], object]
BODY = b'{"type":"recording.completed"}'


def post(url: str, *, private_allowed: bool = True, seconds: float = 10) -> Outcome:
    return sender.post(
        url, BODY, {"webhook-id": "evt_1"}, private_allowed=private_allowed, seconds=seconds
    )


@contextmanager
def answering(serve: Serve) -> Iterator[str]:
    """The URL of a server that does with its one connection as told, until the event is set."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            serve(connection, over)
            # Closed with anything unread, it would be reset before the answer is read.
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        over.set()
        thread.join()
        listener.close()


def trickle(*first: bytes) -> Serve:
    """Sends a byte again and again, each in time for a socket's own time-out."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        for data in first:
            connection.sendall(data)
        while not over.wait(0.05):
            connection.sendall(b"x")

    return serve


def test_the_request_is_what_receivers_expect() -> None:
    with receiving() as receiver:
        assert post(receiver.url + "?room=7") == Outcome(status_code=204)
    [got] = receiver.got
    assert got.body == BODY
    assert got.path == "/hook?room=7"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["content-length"] == str(len(BODY))
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["webhook-id"] == "evt_1"
    assert got.headers["connection"] == "close"


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_any_2xx_is_a_success(code: int) -> None:
    with receiving(status(code)) as receiver:
        assert post(receiver.url).delivered


@pytest.mark.parametrize("code", [400, 401, 404, 410, 429, 500, 503])
def test_anything_else_is_none(code: int) -> None:
    with receiving(status(code)) as receiver:
        outcome = post(receiver.url)
    assert (outcome.delivered, outcome.status_code, outcome.error) == (False, code, None)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(code: int) -> None:
    with receiving() as other, receiving(status(code, location=other.url)) as receiver:
        outcome = post(receiver.url)
    assert outcome == Outcome(status_code=code, error="redirects are not followed")
    assert other.got == []


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("120", 120), ("0", 0), ("-5", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0), ("9" * 5000, 0)],
)
def test_how_long_the_receiver_wants_to_be_left_alone(asked: str, seconds: int) -> None:
    with receiving(status(503, retry_after=asked)) as receiver:
        assert post(receiver.url).retry_after == seconds


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.upper(), proxy.url)
        assert post(receiver.url).delivered
    assert proxy.got == []


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert post(f"http://127.0.0.1:{port}/") == Outcome(error="Connection refused")


def test_the_next_address_is_tried_if_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        monkeypatch.setattr(targets, "resolve", lambda *_, **__: ["::1", "127.0.0.1"])
        assert post(f"http://two.example.com:{receiver.port}/").delivered


@pytest.mark.parametrize(
    "serve",
    [
        pytest.param(lambda _, over: over.wait(), id="silence"),
        pytest.param(trickle(), id="a status line that never ends"),
        pytest.param(trickle(b"HTTP/1.1 200 OK\r\n", b"x-slow: "), id="headers that never end"),
    ],
)
def test_a_receiver_that_takes_its_time_is_not_waited_for(
    serve: Serve,
) -> None:
    with answering(serve) as url:
        assert post(url, seconds=0.3) == Outcome(error="no answer within 0.3 s")


@pytest.mark.parametrize(
    "serve",
    [
        pytest.param(
            trickle(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"), id="one that trickles"
        ),
        pytest.param(
            lambda connection, _: connection.sendall(
                b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n" + b"x" * 100_000_000
            ),
            id="100 MB",
        ),
    ],
)
def test_the_body_of_an_answer_is_not_waited_for(
    serve: Serve,
) -> None:
    with answering(serve) as url:
        assert post(url, seconds=60) == Outcome(status_code=200)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    ],
)
def test_an_answer_that_is_no_http(answer: bytes) -> None:
    with answering(lambda connection, _: connection.sendall(answer)) as url:
        outcome = post(url)
    assert outcome.error == "the connection was closed, or the answer is not HTTP"
    assert not outcome.delivered


def test_a_private_address_is_not_connected_to() -> None:
    with receiving() as receiver:
        url = f"https://127.0.0.1:{receiver.port}/"
        outcome = post(url, private_allowed=False)
    assert outcome == Outcome(error="url: host must have public addresses only")


def test_a_name_that_answers_otherwise_the_second_time_is_not_asked_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: a public address for the check, loopback for the connection."""
    asked: list[str] = []
    connected: list[tuple[str, int]] = []

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        address = "127.0.0.1" if host in asked else "93.184.215.14"
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def create_connection(address: tuple[str, int], **_: Any) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "create_connection", create_connection)
    post("https://rebinding.example.com/", private_allowed=False)
    assert asked == ["rebinding.example.com"]
    assert connected == [("93.184.215.14", 443)]


@pytest.fixture
def certified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], ssl.SSLContext]]:
    """Makes a server's TLS for a name, by an authority that only this test trusts."""

    def server(name: str) -> ssl.SSLContext:
        path = tmp_path / "certificate.pem"
        path.write_bytes(_self_signed(name))
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    sender._tls.cache_clear()
    yield server
    sender._tls.cache_clear()


def _self_signed(name: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    san: x509.GeneralName = (
        x509.IPAddress(IPv4Address(name)) if name[0].isdigit() else x509.DNSName(name)
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([san]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)


def test_a_certificate_for_the_host_is_good(
    certified: Callable[[str], ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "resolve", lambda *_, **__: ["127.0.0.1"])
    with receiving(tls=certified("hooks.example.com")) as receiver:
        assert post(f"https://hooks.example.com:{receiver.port}/").delivered
    [got] = receiver.got
    assert got.headers["host"] == f"hooks.example.com:{receiver.port}"


def test_one_for_another_host_is_not(
    certified: Callable[[str], ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "resolve", lambda *_, **__: ["127.0.0.1"])
    with receiving(tls=certified("other.example.com")) as receiver:
        outcome = post(f"https://hooks.example.com:{receiver.port}/")
    assert (outcome.error or "").startswith("certificate: Hostname mismatch")
    assert receiver.got == []


def test_an_unknown_authoritys_certificate_is_not(
    certified: Callable[[str], ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = certified("127.0.0.1")
    monkeypatch.delenv("SSL_CERT_FILE")
    with receiving(tls=context) as receiver:
        outcome = post(receiver.url)
    assert (outcome.error or "").startswith("certificate: self")
    assert receiver.got == []


def test_a_server_that_speaks_no_tls() -> None:
    with answering(lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")) as url:
        assert post(url.replace("http:", "https:")) == Outcome(error="TLS failed")


def test_a_handshake_that_never_ends_is_not_waited_for() -> None:
    with answering(lambda _, over: over.wait()) as url:
        outcome = post(url.replace("http:", "https:"), seconds=0.3)
    assert outcome == Outcome(error="no answer within 0.3 s")
