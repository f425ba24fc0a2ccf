"""A live session: its states, what is kept of it, what callers ask for and see."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from audioapi.clock import iso_ms

if TYPE_CHECKING:
    from audioapi.analysis.models import Event

LONGEST_MS = 24 * 3600 * 1000
"""A session's chunks are kept for two days by the bucket's lifecycle, whatever keeps it alive."""
RESULTS_KEPT_MS = 3600 * 1000
"""How long an ended session's consumer may take to fetch what was found."""


class Status(StrEnum):
    """WAITING_MEDIA → PROCESSING with the first chunk → FINALIZING or CANCELLED by the caller.

    The worker ends a session: FINALIZING → COMPLETED, or any state → FAILED, but a cancelled one
    stays so. A session that nobody ended in time is EXPIRED; one that is being finalized isn't, as
    its chunks were taken, and its worker may be late.
    """

    WAITING_MEDIA = "waiting_media"
    PROCESSING = "processing"
    FINALIZING = "finalizing"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"

    @property
    def open(self) -> bool:
        """Whether it takes chunks."""
        return self in _OPEN

    @property
    def reached_from(self) -> tuple[Status, ...]:
        """PROCESSING from itself too, with every chunk."""
        return _REACHED_FROM[self]


_OPEN = (Status.WAITING_MEDIA, Status.PROCESSING)
_REACHED_FROM = {
    Status.WAITING_MEDIA: (),
    Status.PROCESSING: _OPEN,
    Status.FINALIZING: _OPEN,
    Status.CANCELLED: _OPEN,
    Status.COMPLETED: (Status.FINALIZING,),
    Status.FAILED: (*_OPEN, Status.FINALIZING),
    Status.EXPIRED: (*_OPEN, Status.CANCELLED),
}


class LiveSession(BaseModel):
    """A session as it is kept. Times are epoch milliseconds, sizes bytes. `chunk_digest` is the
    SHA-256 of the last chunk, `reason` the caller's for ending it.
    """

    model_config = ConfigDict(frozen=True)

    session_id: str
    conversation_id: str
    organization_id: str
    user_id: str
    goal: str | None = None
    filename: str | None = None
    suffix: str
    ttl_seconds: int
    started_at: int
    expires_at: int
    status: Status = Status.WAITING_MEDIA
    next_chunk_seq: int = 0
    received_bytes: int = 0
    chunk_digest: str | None = None
    reason: str | None = None
    cleaned_at: int | None = None

    def expiry(self, now: int) -> int:
        """When it expires if it is used now."""
        return min(now + self.ttl_seconds * 1000, self.started_at + LONGEST_MS)

    def has_taken(self, seq: int, digest: str) -> bool:
        """Whether that is its last chunk, which comes again when the answer was lost."""
        return seq == self.next_chunk_seq - 1 and digest == self.chunk_digest

    @property
    def prefix(self) -> str:
        """Of the keys of all that is kept of it while it goes on."""
        return f"live/{self.session_id}/"

    def chunk_key(self, seq: int, digest: str) -> str:
        """Where a chunk is. Two that claim one number are two objects; a digest names the one."""
        return f"{self.prefix}chunks/{seq:09d}-{digest}"

    def fold_key(self, first: int, last: int) -> str:
        """Where the bytes of those chunks and all between them are one object."""
        return f"{self.prefix}folds/{first:09d}-{last:09d}"


@dataclass(frozen=True)
class NumberedEvent:
    """An event of a session, its number, from 1 without gaps, and when it was written."""

    number: int
    event: Event
    told_at: int


@dataclass(frozen=True)
class Cursor:
    """How far the work is: the number of the next event, how many utterances are kept, how many
    chunks had been heard when the last worker found no more, and how the session ended, None while
    it goes on.
    """

    next_event: int
    utterances: int
    heard_chunks: int = 0
    ended: Status | None = None


class StartRequest(BaseModel):
    goal: Annotated[str, Field(max_length=2000)] | None = None
    filename: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    suffix: Annotated[str, Field(pattern=r"^\.[A-Za-z0-9]{1,10}$")] = ".mp4"
    ttl_seconds: Annotated[int, Field(ge=60, le=3600)] = 900


class Started(BaseModel):
    """`events_endpoint` is an address, the other two are paths of this API."""

    session_id: str
    conversation_id: str
    chunk_endpoint: str
    events_endpoint: str
    control_endpoint: str
    next_chunk_seq: int
    expires_at: str
    status: Status

    @classmethod
    def of(cls, session: LiveSession, *, events_url: str) -> Self:
        path = f"analyze/live/{session.session_id}"
        return cls(
            session_id=session.session_id,
            conversation_id=session.conversation_id,
            chunk_endpoint=f"/{path}/chunk",
            events_endpoint=f"{events_url}{path}/events",
            control_endpoint=f"/{path}/control",
            next_chunk_seq=session.next_chunk_seq,
            expires_at=iso_ms(session.expires_at),
            status=session.status,
        )


class TakenChunk(BaseModel):
    """`received_bytes` are the session's, of all its chunks."""

    session_id: str
    chunk_seq: int
    received_bytes: int
    next_chunk_seq: int
    expires_at: str
    status: Status

    @classmethod
    def of(cls, session: LiveSession, seq: int) -> Self:
        return cls(
            session_id=session.session_id,
            chunk_seq=seq,
            received_bytes=session.received_bytes,
            next_chunk_seq=session.next_chunk_seq,
            expires_at=iso_ms(session.expires_at),
            status=session.status,
        )


class Action(StrEnum):
    FINALIZE = "finalize"
    CANCEL = "cancel"
    KEEPALIVE = "keepalive"


class ControlRequest(BaseModel):
    """`reason` is told to the events' consumer when a session is cancelled."""

    action: Action
    reason: Annotated[str, Field(max_length=500)] | None = None


class Controlled(BaseModel):
    """A session after a control action; `next_chunk_seq` is what its next chunk needs."""

    session_id: str
    conversation_id: str
    status: Status
    next_chunk_seq: int
    received_bytes: int
    expires_at: str

    @classmethod
    def of(cls, session: LiveSession) -> Self:
        return cls(
            session_id=session.session_id,
            conversation_id=session.conversation_id,
            status=session.status,
            next_chunk_seq=session.next_chunk_seq,
            received_bytes=session.received_bytes,
            expires_at=iso_ms(session.expires_at),
        )
