"""Where a stack's sessions are, and the opening of a connection or a question to them."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from audio_client.errors import ConnectionFailedError, SessionRefusedError, said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from audio_client.frames import Frame

_HTTP_TIMEOUT = 10.0
_CLOSE_TIMEOUT = 2.0  # a server that is gone shouldn't hold up Ctrl-C for long


@dataclass(frozen=True)
class Endpoint:
    """A stack by its addresses.

    `base_url` either ends in /api, as in the published clients (the local stack, or whatever stands
    in front of a deployed one), or is a WebSocket API's own address,
    wss://{id}.execute-api.{region}.amazonaws.com/{stage}. Only the first tells the HTTP API's.
    """

    base_url: str
    http_url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls, base_url: str, http_url: str | None, *, api_key: str | None, token: str | None
    ) -> Endpoint:
        """The key and the token go into headers, because addresses end up in logs."""
        headers = {"x-api-key": api_key, "Authorization": f"Bearer {token}" if token else None}
        base = _checked(base_url, "ws", "wss")
        if http_url is None and _has_paths(base):
            http_url = base.replace("ws", "http", 1)
        return cls(
            base,
            http_url and _checked(http_url, "http", "https"),
            {name: value for name, value in headers.items() if value},
        )

    def session_url(self, session_id: str | None, **parameters: str | int | None) -> str:
        """The address of one session, or of a new one.

        A WebSocket API has no path parameters: its own form of the address is a query.
        """
        query = {name: value for name, value in parameters.items() if value is not None}
        path = self.base_url
        if _has_paths(path):
            path += "/ws/audio" if session_id is None else f"/ws/audio/{quote(session_id, safe='')}"
        elif session_id is not None:
            query = {"session_id": session_id, **query}
        return f"{path}?{urlencode(query)}" if query else path

    async def connect(self, url: str) -> ClientConnection:
        """Raises SessionRefusedError or ConnectionFailedError."""
        try:
            return await connect(
                url,
                additional_headers=self.headers,
                compression=None,  # API Gateway doesn't do it, and base64 audio gains little
                close_timeout=_CLOSE_TIMEOUT,
            )
        except InvalidStatus as error:
            response = error.response
            raise SessionRefusedError.of(response.status_code, bytes(response.body)) from error
        except (OSError, WebSocketException) as error:
            raise ConnectionFailedError(
                f"Cannot connect to {self.base_url}: {said(error)}"
            ) from error

    async def session_info(self, session_id: str) -> Frame:
        """`GET /audio/sessions/{id}`; raises SessionRefusedError or ConnectionFailedError."""
        url = f"{self.http_url}/audio/sessions/{quote(session_id, safe='')}"
        return await asyncio.to_thread(self._get, url)

    def _get(self, url: str) -> Frame:
        request = urllib.request.Request(url, headers=dict(self.headers))  # noqa: S310 - _checked
        try:
            with urllib.request.urlopen(request, timeout=_HTTP_TIMEOUT) as response:  # noqa: S310 - the same
                info: Frame = json.load(response)
                return info
        except urllib.error.HTTPError as error:
            with error:
                raise SessionRefusedError.of(error.code, error.read()) from error
        except (OSError, ValueError) as error:
            raise ConnectionFailedError(f"Cannot get {url}: {said(error)}") from error


def _checked(url: str, *schemes: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.netloc:
        raise ValueError(f"{url!r} is no address that starts with {' or '.join(schemes)}://")
    return url.rstrip("/")


def _has_paths(base_url: str) -> bool:
    return urlsplit(base_url).path.endswith("/api")
