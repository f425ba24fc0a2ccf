"""Where a webhook may go: to public addresses, over HTTPS.

Whoever registers a webhook chooses what our functions call, and must not reach through them what
only they can reach (server-side request forgery). So a host's addresses are looked up once, all of
them are checked, and one of just those is connected to: a name that answers otherwise the second
time (DNS rebinding) is not asked a second time.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from urllib.parse import SplitResult, urlsplit

MAX_URL_LENGTH = 2048
_VISIBLE = re.compile(r"[!-~]+")
_NAME = re.compile(r"(?!-)[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_PORTS = {"https": 443, "http": 80}
_FIRST_FREE_PORT = 1024  # below are other protocols' own
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NOBODYS = [
    ipaddress.ip_network(network)
    for network in (
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT relays
        "192.88.99.0/24",  # relays from 6to4
        "192.175.48.0/24",  # AS112
        "2001::/23",  # protocols' own: Teredo, AMT, AS112, ORCHIDv2, Drone Remote ID and others
        "2620:4f:8000::/48",  # AS112
    )
]
"""Public by the registries, and no host's: they are for protocols."""


class TargetError(Exception):
    """The URL is none that a webhook may have; the text tells its owner why."""


@dataclass(frozen=True)
class Target:
    """The parts of a URL that a request needs; `host` is a name or an address without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse(url: str, *, private_allowed: bool) -> Target:
    """Raises TargetError. `private_allowed` allows plain HTTP, too."""
    if len(url) > MAX_URL_LENGTH or not _VISIBLE.fullmatch(url):
        raise TargetError(f"must be 1 to {MAX_URL_LENGTH} visible ASCII characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise TargetError("must be a URL") from error
    schemes = ("https", "http") if private_allowed else ("https",)
    if parts.scheme not in schemes:
        raise TargetError(f"must begin with {' or '.join(f'{name}://' for name in schemes)}")
    _check(url, parts, host)
    port = _PORTS[parts.scheme] if port is None else port
    if port != _PORTS[parts.scheme] and port < _FIRST_FREE_PORT:
        raise TargetError(f"port must be {_PORTS[parts.scheme]}, or {_FIRST_FREE_PORT} or more")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path)


def resolve(target: Target, *, private_allowed: bool, seconds: float) -> list[str]:
    """The host's addresses, each of which may be connected to.

    Raises TargetError if there is none or one of them isn't public, and TimeoutError.
    """
    # getaddrinfo knows no time-out, and a name server of the caller's may take its time.
    answer = _resolvers().submit(
        socket.getaddrinfo, target.host, target.port, type=socket.SOCK_STREAM
    )
    try:
        found = answer.result(seconds)
    except (socket.gaierror, UnicodeError) as error:
        raise TargetError("host has no address") from error
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    if not private_allowed and not all(is_public(address) for address in addresses):
        raise TargetError("host must have public addresses only")
    return addresses


def is_public(address: str) -> bool:
    """Whether it is a unicast address of the internet, told by itself: an IPv6 address that stands
    for an IPv4 one (mapped, NAT64, 6to4, Teredo) is none, as its own answer depends on the network.
    https://www.iana.org/assignments/iana-ipv4-special-registry
    https://www.iana.org/assignments/iana-ipv6-special-registry
    """
    ip = ipaddress.ip_address(address)
    if any(ip in network for network in _NOBODYS):
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast
    return ip in _GLOBAL_UNICAST and ip.is_global and ip.sixtofour is None


def _check(url: str, parts: SplitResult, host: str) -> None:
    if "@" in parts.netloc:
        raise TargetError("must hold no user name or password")
    if "#" in url:
        raise TargetError("must have no fragment")
    if not (_is_address(host) if "[" in parts.netloc else _NAME.fullmatch(host)):
        raise TargetError("must name a host")


def _is_address(host: str) -> bool:
    try:
        return ipaddress.IPv6Address(host).scope_id is None
    except ValueError:
        return False


@cache
def _resolvers() -> ThreadPoolExecutor:
    """More than one, as a look-up that nobody waits for any more keeps its thread for a while."""
    return ThreadPoolExecutor(4, thread_name_prefix="resolve")
