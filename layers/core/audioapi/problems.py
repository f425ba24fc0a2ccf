"""What can go wrong, and the Problem Details (RFC 9457) that a caller gets for it.

The one place that knows status codes. Domain code raises these exceptions and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CONTENT_TYPE = "application/problem+json"


class AudioApiError(Exception):
    """A failure with a code that callers can rely on; `members` go into the body beside it."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members
        self.headers: dict[str, str] = {}


class InvalidRequestError(AudioApiError):
    """A body or parameter is malformed; say which, and what is allowed."""

    code = "INVALID_REQUEST"
    status = HTTPStatus.BAD_REQUEST


class UnprocessableError(InvalidRequestError):
    """The same for the families whose documents answer 422."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class InvalidKeyError(AudioApiError):
    """No credential, or one that is unknown, revoked or expired: callers can't tell which. With a
    `reason`, a good one for somebody whom we can't serve.
    """

    code = "INVALID_KEY"
    status = HTTPStatus.UNAUTHORIZED

    def __init__(self, reason: str = "Invalid or missing API key") -> None:
        super().__init__(reason)


class ForbiddenError(AudioApiError):
    """The caller is known, and may not."""

    code = "FORBIDDEN"
    status = HTTPStatus.FORBIDDEN


class NotFoundError(AudioApiError):
    """There is no such thing, or it is another tenant's: the answer is the same."""

    code = "NOT_FOUND"
    status = HTTPStatus.NOT_FOUND


class SessionNotFoundError(NotFoundError):
    code = "SESSION_NOT_FOUND"

    def __init__(self, session_id: str) -> None:
        super().__init__("Session not found", session_id=session_id)


class LiveSessionNotFoundError(NotFoundError):
    """Unknown, another tenant's, or expired."""

    code = "SESSION_NOT_FOUND"

    def __init__(self, session_id: str) -> None:
        super().__init__("Unknown live session", session_id=session_id)


class MemoryNotFoundError(NotFoundError):
    code = "MEMORY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Memory not found")


class AudioNotFoundError(NotFoundError):
    code = "AUDIO_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("Audio not found")


class TaskNotFoundError(NotFoundError):
    code = "TASK_NOT_FOUND"

    def __init__(self, task_id: str) -> None:
        super().__init__("Task not found", task_id=task_id)


class ConflictError(AudioApiError):
    """It can't be done in the state that things are in."""

    code = "CONFLICT"
    status = HTTPStatus.CONFLICT


class FileTooLargeError(AudioApiError):
    """A file over MAX_FILE_SIZE_MB; 400 is what published clients know."""

    code = "FILE_TOO_LARGE"
    status = HTTPStatus.BAD_REQUEST

    def __init__(self, limit_mb: int, *, field: str) -> None:
        super().__init__(
            f"{field}: more than MAX_FILE_SIZE_MB, which is {limit_mb}",
            field=field,
            max_file_size_mb=limit_mb,
        )

    @classmethod
    def check(cls, size: int, limit_mb: int, *, field: str) -> None:
        """Raises it for more bytes than that."""
        if size > limit_mb * 1024 * 1024:
            raise cls(limit_mb, field=field)


class UnsupportedMediaError(AudioApiError):
    """Bytes that no decoder takes for audio, whatever the name or content type says."""

    code = "UNSUPPORTED_MEDIA"
    status = HTTPStatus.BAD_REQUEST


class NoUtterancesError(AudioApiError):
    """Sound without speech: there is nothing to analyse."""

    code = "NO_UTTERANCES"
    status = HTTPStatus.BAD_REQUEST

    def __init__(self) -> None:
        super().__init__("No utterances detected in uploaded media")


class AnalysisFailureError(AudioApiError):
    """The analysis could not be finished; the detail says why, to the caller."""

    code = "ANALYSIS_FAILURE"
    status = HTTPStatus.INTERNAL_SERVER_ERROR


class LiveAsrFailureError(AudioApiError):
    """The recogniser of a live session died: told on its event stream only."""

    code = "LIVE_ASR_FAILURE"


class StreamFailureError(AudioApiError):
    """A live session was cancelled, or its stream failed: told on its event stream only."""

    code = "STREAM_FAILURE"


class RangeNotSatisfiableError(AudioApiError):
    """The file has no byte of the range that is asked for; `Content-Range` says how many it has."""

    code = "RANGE_NOT_SATISFIABLE"
    status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE

    def __init__(self, size: int) -> None:
        super().__init__(f"Range: the file has {size} bytes", field="Range")
        self.headers = {"Content-Range": f"bytes */{size}"}


class UnavailableError(AudioApiError):
    """Something that the answer needs is not there at the moment; trying again is worth it."""

    code = "UNAVAILABLE"
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, detail: str, *, retry_after: int = 5) -> None:
        super().__init__(detail)
        self.headers = {"Retry-After": str(retry_after)}


class SessionRefusedError(InvalidRequestError):
    """A handshake for a session that can't be joined: 400, published clients' 1008."""

    code = "SESSION_NOT_FOUND"


class LimitExceededError(AudioApiError):
    """A limit of the deployment is reached; `limit` names it, `value` is what it allows."""

    code = "LIMIT_EXCEEDED"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, limit: str, value: int) -> None:
        super().__init__(f"{limit} allows {value}", limit=limit, value=value)
        self.headers = {"Retry-After": "60"}  # the sweeper's period


class MethodNotAllowedError(AudioApiError):
    """The path exists, not with this method."""

    code = "METHOD_NOT_ALLOWED"
    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, allowed: list[str]) -> None:
        super().__init__("Method not allowed", valid_values=allowed)
        self.headers = {"Allow": ", ".join(allowed)}  # RFC 9110 §15.5.6 requires it


def _camel_case(name: str) -> str:
    """`parts.0.part_number` becomes `parts.0.partNumber`."""
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


@dataclass(frozen=True)
class Dialect:
    """How a family's document wants its problems: what a malformed request raises, how names of
    fields and members are written, and which members stand beside, or in place of, the others.
    """

    malformed: type[InvalidRequestError] = UnprocessableError
    written: Callable[[str], str] = str
    members: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda _: {}


STANDARD = Dialect()
MEMORIES = Dialect(
    malformed=InvalidRequestError,
    members=lambda told: {"error": {"code": told["code"], "message": told["detail"]}},
)
LIBRARY = Dialect(
    malformed=InvalidRequestError,
    written=_camel_case,
    members=lambda told: {"statusCode": told["status"], "message": told["detail"]},
)
ANALYSIS = Dialect(malformed=InvalidRequestError)
INTERNAL = AudioApiError("Internal server error")


def body(error: AudioApiError, request_id: str, dialect: Dialect = STANDARD) -> dict[str, Any]:
    """The problem's JSON object. `error` and `detail` both hold the text, as published clients
    read one or the other.
    """
    detail = error.detail
    members = {dialect.written(name): value for name, value in error.members.items()}
    if field := error.members.get("field"):
        members["field"] = dialect.written(field)
        detail = detail.replace(field, members["field"])
    told = {
        "type": "about:blank",
        "title": error.status.phrase,
        "status": int(error.status),
        "detail": detail,
        "code": error.code,
        "error": detail,
        "request_id": request_id,
        **members,
    }
    return {**told, **dialect.members(told)}
