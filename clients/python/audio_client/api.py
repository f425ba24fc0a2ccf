"""The HTTP API: JSON requests that are tried again where a second try may help."""

from __future__ import annotations

import http.client
import json
import logging
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from audio_client.errors import AudioClientError, ConnectionFailedError, UploadRefusedError, said
from audio_client.web import Response, Web

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from audio_client.settings import Retry

_TRIES = 10  # about a minute, by the default Retry
_PASSING = {408, 425, 429}
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_T = TypeVar("_T")

Json = dict[str, Any]
log = logging.getLogger(__name__)


class PassingError(Exception):
    """A failure that a second try, after `wait` seconds, may not have."""

    def __init__(self, error: AudioClientError, wait: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


class StoppedError(Exception):
    """The user doesn't want to wait any more."""


@dataclass(frozen=True)
class Credentials:
    """They go into headers, because addresses end up in logs."""

    api_key: str | None = None
    token: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        given = {"x-api-key": self.api_key, "Authorization": self.token and f"Bearer {self.token}"}
        return {name: value for name, value in given.items() if value}


class Api:
    """Shared by all threads of an upload. `base_url` may end in /api, and may be a WebSocket
    address that does; ValueError for a WebSocket API's own, behind which is no HTTP API.
    """

    def __init__(self, base_url: str, credentials: Credentials, retry: Retry) -> None:
        self.url = _root(base_url)
        self._headers = credentials.headers
        self.retry = retry
        self._web = Web()
        self._stopped = threading.Event()
        self._reached = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends what other threads are doing here."""
        self._stopped.set()
        self._web.close()

    def wait(self, seconds: float) -> None:
        """Raises StoppedError as soon as it is stopped."""
        if self._stopped.wait(seconds):
            raise StoppedError

    def ask(self, method: str, path: str, body: Json | None = None, **headers: str) -> Json:
        """The answer. Raises UploadRefusedError or ConnectionFailedError."""
        return self.persist(lambda: self.ask_once(method, path, body, **headers))

    def ask_once(self, method: str, path: str, body: Json | None = None, **headers: str) -> Json:
        """The same with one try; raises PassingError besides."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        response = self.send(method, self.url + path, {**self._headers, **kind, **given}, data)
        if not response.ok:
            refusal = UploadRefusedError.of(response.status, response.body)
            raise PassingError(refusal, _retry_after(response)) if _passes(response) else refusal
        return _json(response, self.url)

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes | memoryview] | None = None,
    ) -> Response:
        """One request, without any key but what is in `headers`; raises PassingError."""
        try:
            response = self._web.send(method, url, headers, body)
        except ssl.SSLCertVerificationError as error:
            raise ConnectionFailedError(f"Cannot trust {_server(url)}: {said(error)}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = f"Cannot reach {_server(url)}: {said(error)}"
            raise PassingError(ConnectionFailedError(reason)) from error
        self._reached = True
        return response

    def persist(self, attempt: Callable[[], _T]) -> _T:
        """What `attempt` returns, tried again with growing waits. A server that was never reached
        is not tried again: its address is more likely wrong.
        """
        for failures in range(_TRIES):
            try:
                return attempt()
            except PassingError as passing:
                self.wait(0)
                if failures == _TRIES - 1 or not self._reached:
                    raise passing.error from passing
                if failures:  # a kept connection that has ended is no news
                    log.warning("%s; trying again", passing)
                self.wait(max(passing.wait, self.retry.delay(failures)))
        raise AssertionError  # the last try returned or raised


def _root(base_url: str) -> str:
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/")
    if parts.scheme not in _SCHEMES or not parts.netloc:
        raise ValueError(f"{base_url!r} is no address that starts with http:// or https://")
    if parts.scheme.startswith("ws") and not path.endswith("/api"):
        raise ValueError(f"{base_url!r} is a WebSocket API's own address: the HTTP API has another")
    return f"{_SCHEMES[parts.scheme]}://{parts.netloc}{path.removesuffix('/api')}"


def _server(url: str) -> str:
    """Without the path: a presigned one is a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _passes(response: Response) -> bool:
    passing = (
        response.status in _PASSING or response.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR
    )
    return passing or "retry-after" in response.headers


def _retry_after(response: Response) -> float:
    """Seconds; our API gives no dates, and a gateway's may be passed over."""
    given = response.headers.get("retry-after", "")
    return float(given) if given.isdecimal() else 0.0


def _json(response: Response, url: str) -> Json:
    try:
        value = json.loads(response.body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ConnectionFailedError(f"{url} doesn't answer as this API does")
    return value
