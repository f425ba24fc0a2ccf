"""Nobody reaches through a webhook what only we can reach."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from audioapi.webhooks import targets
from audioapi.webhooks.targets import Target, TargetError

PUBLIC = ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:82b::200e"]
NOT_PUBLIC = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # the instance metadata service
    "169.254.170.2",  # containers' credentials
    "100.64.0.1",  # carrier-grade NAT
    "192.0.0.8",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",  # 127.0.0.1, IPv4-compatible
    "::ffff:10.0.0.1",  # IPv4-mapped
    "::ffff:8.8.8.8",
    "64:ff9b::a9fe:a9fe",  # 169.254.169.254 by NAT64
    "64:ff9b:1::1",
    "2002:7f00:1::",  # 127.0.0.1 by 6to4
    "2001:0:4136:e378:8000:63bf:80ff:fffe",  # 127.0.0.1 by Teredo
    "2001:20::1",
    "2001:db8::1",
    "100::1",
    "fc00::1",
    "fd00:ec2::254",  # the instance metadata service
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A name server that knows what the test puts there."""
    known: dict[str, list[str]] = {}

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(0, 0, 0, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


def resolve(host: str, *, private_allowed: bool = False) -> list[str]:
    target = Target("https", host, 443, "/")
    return targets.resolve(target, private_allowed=private_allowed, seconds=5)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address: str) -> None:
    assert targets.is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_any_other_is_not(address: str, names: dict[str, list[str]]) -> None:
    assert not targets.is_public(address)
    names["hooks.example.com"] = [address]
    with pytest.raises(TargetError, match="public addresses only"):
        resolve("hooks.example.com")
    assert resolve("hooks.example.com", private_allowed=True) == [address]


@pytest.mark.parametrize("hidden_at", [0, 1, 2])
def test_one_private_address_among_public_ones_is_one_too_many(
    hidden_at: int, names: dict[str, list[str]]
) -> None:
    addresses = PUBLIC[:2]
    addresses.insert(hidden_at, "10.0.0.1")
    names["hooks.example.com"] = addresses
    with pytest.raises(TargetError, match="public addresses only"):
        resolve("hooks.example.com")


def test_an_address_is_tried_once_however_often_it_is_named(names: dict[str, list[str]]) -> None:
    names["hooks.example.com"] = [PUBLIC[0], PUBLIC[2], PUBLIC[0]]
    assert resolve("hooks.example.com") == [PUBLIC[0], PUBLIC[2]]


def test_a_name_that_is_not_there(names: dict[str, list[str]]) -> None:
    with pytest.raises(TargetError, match="host has no address"):
        resolve("hooks.example.com")


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.1", "127.1", "localhost"])
def test_other_spellings_of_loopback_are_loopback(host: str) -> None:
    with pytest.raises(TargetError, match=r"public addresses only|no address"):
        resolve(host)


def test_a_label_that_is_too_long_for_a_name() -> None:
    with pytest.raises(TargetError, match="host has no address"):
        resolve("a" * 64 + ".example.com")


def test_a_name_server_that_never_answers_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait())
    try:
        with pytest.raises(TimeoutError):
            targets.resolve(
                Target("https", "slow.example.com", 443, "/"), private_allowed=False, seconds=0.01
            )
    finally:
        over.set()


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com", Target("https", "example.com", 443, "/")),
        ("HTTPS://Example.COM/a?b=c", Target("https", "example.com", 443, "/a?b=c")),
        ("https://example.com:443/", Target("https", "example.com", 443, "/")),
        ("https://example.com:8443/x", Target("https", "example.com", 8443, "/x")),
        ("https://my_host.example.com/", Target("https", "my_host.example.com", 443, "/")),
        ("https://[2606:4700::1111]/", Target("https", "2606:4700::1111", 443, "/")),
        ("https://example.com?x=1", Target("https", "example.com", 443, "/?x=1")),
    ],
)
def test_a_url_is_taken_apart(url: str, target: Target) -> None:
    assert targets.parse(url, private_allowed=False) == target


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "visible ASCII"),
        ("https://example.com/" + "a" * 2048, "2048"),
        ("https://example.com/a b", "visible ASCII"),
        ("https://example.com/\r\nHost: x", "visible ASCII"),
        ("https://bücher.example/", "visible ASCII"),
        ("http://example.com/", "must begin with https://"),
        ("ftp://example.com/", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("gopher://example.com/", "must begin with https://"),
        ("//example.com/", "must begin with https://"),
        ("example.com", "must begin with https://"),
        ("https://user:password@example.com/", "user name or password"),
        ("https://user@example.com/", "user name or password"),
        ("https://@example.com/", "user name or password"),
        ("https://example.com\\@127.0.0.1/", "user name or password"),
        ("https://example.com/#here", "fragment"),
        ("https://example.com/#", "fragment"),
        ("https:///path", "must name a host"),
        ("https://", "must name a host"),
        ("https://exa\\mple.com/", "must name a host"),
        ("https://example.com./", "must name a host"),
        ("https://a..b/", "must name a host"),
        ("https://-a.example/", "must name a host"),
        ("https://exam%70le.com/", "must name a host"),
        ("https://[fe80::1%25eth0]/", "must"),
        ("https://[v1.x]/", "must"),
        ("https://[::1/", "must be a URL"),
        ("https://example.com:99999/", "must be a URL"),
        ("https://example.com:x/", "must be a URL"),
        ("https://example.com:0/", "port must be 443, or 1024 or more"),
        ("https://example.com:22/", "port must be 443, or 1024 or more"),
        ("https://example.com:80/", "port must be 443, or 1024 or more"),
    ],
)
def test_a_url_that_no_webhook_may_have(url: str, reason: str) -> None:
    with pytest.raises(TargetError, match=reason):
        targets.parse(url, private_allowed=False)


def test_plain_http_is_for_private_addresses() -> None:
    target = targets.parse("http://localhost:8080/hook", private_allowed=True)
    assert target == Target("http", "localhost", 8080, "/hook")
    with pytest.raises(TargetError, match="must begin with https:// or http://"):
        targets.parse("ws://localhost/", private_allowed=True)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.com/", "example.com"),
        ("https://example.com:8443/", "example.com:8443"),
        ("https://[2606:4700::1111]:8443/", "[2606:4700::1111]:8443"),
    ],
)
def test_the_host_header_names_the_port_unless_it_is_the_schemes(url: str, host: str) -> None:
    assert targets.parse(url, private_allowed=False).authority == host
