"""What can go wrong, by who decided it: each is an `AudioClientError`."""

from __future__ import annotations

import http
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

# Refusals that a second try doesn't change; the others (429, 5xx) pass.
_PERMANENT = {400, 401, 403, 404}


class AudioClientError(Exception):
    """Whatever this package raises on purpose."""


class NotConnectedError(AudioClientError, RuntimeError):
    """There is no session yet, or none any more."""


class ConnectionFailedError(AudioClientError, ConnectionError):
    """The server can't be reached, or doesn't speak the protocol."""


class StalledError(AudioClientError, TimeoutError):
    """Nothing got done for the time allowed.

    The audio given so far is kept and sent as soon as that is possible: don't give it again.
    """


class RefusedError(AudioClientError):
    """The server answered with an error status, and a reason if it gave one."""

    def __init__(self, status: int, reason: str, valid_values: Sequence[object] = ()) -> None:
        values = ", ".join(map(str, valid_values))
        super().__init__(f"{reason} (valid: {values})" if values else reason)
        self.status = status
        self.reason = reason
        self.valid_values = tuple(valid_values)

    @classmethod
    def of(cls, status: int, body: bytes) -> Self:
        """From a response whose body may be Problem Details (RFC 9457).

        API Gateway delivers no body of `$connect`, only its status.
        """
        problem = _json_object(body)
        reason = problem.get("error") or problem.get("detail")
        values = problem.get("valid_values")
        return cls(
            status,
            str(reason) if reason else f"{status} {_phrase(status)}",
            values if isinstance(values, list) else (),
        )


class SessionRefusedError(RefusedError):
    """The server refused a handshake or a question about a session."""

    @property
    def permanent(self) -> bool:
        return self.status in _PERMANENT


class UploadRefusedError(RefusedError):
    """The server, or the store that parts go to, refused an upload or what belongs to it."""


class FileChangedError(AudioClientError):
    """The file changed while it was being uploaded: what was sent is of no use any more."""


class ChunkRefusedError(AudioClientError):
    """The server will never take this chunk; `seq` is None if it didn't say which."""

    def __init__(self, reason: str, seq: int | None) -> None:
        super().__init__(f"Chunk {seq} was refused: {reason}" if seq is not None else reason)
        self.reason = reason
        self.seq = seq


class ProcessingFailedError(AudioClientError):
    """What was sent is there, and nothing could be made of it."""


def said(error: Exception) -> str:
    """What to show of an error of a library's."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"  # asyncio's own text is for programmers
    return str(error) or type(error).__name__


def _json_object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _phrase(status: int) -> str:
    return http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else "refused"
