"""A reader of server-sent events for tests, which sees what browsers see and what they don't.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class Sent:
    """An event as a consumer gets it; `id` is what it would resume from."""

    type: str
    data: Any
    id: str


class Stream:
    """A response; what it streams is read as it is iterated over."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.comments: list[str] = []
        self.retry: int | None = None
        self.last_event_id = ""
        self._response = response

    @property
    def body(self) -> Any:
        """What is said instead of a stream."""
        return json.loads(self._response.read())

    def __iter__(self) -> Iterator[Sent]:
        """Ends where the stream does, also if it was broken off."""
        fields: dict[str, str] = {}
        for line in map(bytes.decode, self._response):
            if line == "\n":
                self.last_event_id = fields.get("id", self.last_event_id)
                if data := fields.get("data"):
                    yield Sent(fields.get("event", "message"), json.loads(data), self.last_event_id)
                fields = {}
            elif line.startswith(":"):
                self.comments.append(line.removeprefix(":").strip())
            else:
                name, _, value = line.rstrip("\n").partition(": ")
                fields[name] = value
                self.retry = int(value) if name == "retry" else self.retry


@contextmanager
def opened(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    *,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Stream]:
    """Asks; leaving the block leaves the stream."""
    to = urlsplit(url)
    connection = HTTPConnection(to.netloc)
    try:
        connection.request(method, f"{to.path or '/'}?{to.query}", body, dict(headers or {}))
        yield Stream(connection.getresponse())
    finally:
        connection.close()
