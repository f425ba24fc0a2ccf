"""A stream session: its states, what is kept of it, and what callers see of it."""

from __future__ import annotations

from enum import StrEnum
from typing import get_args

from pydantic import BaseModel, ConfigDict, Field

from audioapi.clock import iso_ms
from audioapi.settings import AudioFormat, Channels, SampleRate

SAMPLE_RATES: tuple[int, ...] = get_args(SampleRate)
CHANNELS: tuple[int, ...] = get_args(Channels)
FORMATS: tuple[str, ...] = get_args(AudioFormat)


class Status(StrEnum):
    """ACTIVE → CLOSING → SEALED → COMPLETED or ERROR.

    CLOSING still takes chunks that were on their way when the close came; SEALED takes none,
    so that what the worker lists from then on is everything that was ever acknowledged.
    """

    ACTIVE = "active"
    CLOSING = "closing"
    SEALED = "sealed"
    COMPLETED = "completed"
    ERROR = "error"

    @property
    def finished(self) -> bool:
        return self in (Status.COMPLETED, Status.ERROR)

    @property
    def public(self) -> str:
        """The published API knows three states, and calls a session completed once it is closed."""
        return self.value if self in (Status.ACTIVE, Status.ERROR) else Status.COMPLETED.value

    @property
    def processing(self) -> str:
        """Where the file is: the memories' vocabulary, for a status that says so little."""
        return {Status.COMPLETED: "complete", Status.ERROR: "failed"}.get(self, "pending")


class Session(BaseModel):
    """A session as it is kept. Times are epoch milliseconds, of the gateway's clock; sizes bytes,
    rates Hz.

    `total_chunks` and `last_seq`, the highest number, may be less than what was acknowledged: a
    chunk whose count failed comes again, and of two at once each knows of itself alone.

    The worker that waits for chunks counts how often it looked: `quiet_looks` since it first saw
    `seen_chunks`, `short_looks` when fewer were listed than came.
    """

    model_config = ConfigDict(frozen=True)

    session_id: str
    user_id: str | None = None
    organization_id: str | None = None
    anonymous: bool = False
    status: Status = Status.ACTIVE
    sample_rate: int
    channels: int
    format: str
    start_time: int
    expires_at: int
    last_activity: int
    total_chunks: int = 0
    bytes_received: int = 0
    numbered: bool | None = None
    next_seq: int = 0
    last_seq: int | None = None
    folded_to: str | None = None
    folded_chunks: int | None = None
    closing_at: int | None = None
    expected_chunks: int | None = None
    seen_chunks: int | None = None
    quiet_looks: int = 0
    short_looks: int = 0
    job_sent: bool = False
    file_path: str | None = None
    duration_seconds: float = 0.0
    lost_seconds: float | None = None
    missing_chunks: list[int] = []
    last_failure: str | None = None
    gave_up: bool = False
    error: str | None = None
    deleted: bool = False

    def awaits(self, *, received_at: int, seq: int | None) -> bool:
        """Whether a chunk that the gateway received then still belongs to this session: until
        the close, and afterwards if it was on its way before it or the close counted it.
        """
        if self.status is not Status.CLOSING or self.closing_at is None:
            return self.status is Status.ACTIVE
        counted = seq is not None and self.expected_chunks is not None
        return received_at <= self.closing_at or (counted and seq < self.expected_chunks)  # type: ignore[operator]  # both are numbers when counted


class Connection(BaseModel):
    """A WebSocket connection and the session that it streams into, which never changes.

    Of its chunks every `ack_every`-th is acknowledged. `resumed` if the session was there before;
    `greeted` says how far it is with telling it of that: None, "begun" or "done".
    """

    model_config = ConfigDict(frozen=True)

    connection_id: str
    session_id: str
    ack_every: int = 1
    resumed: bool = False
    greeted: str | None = None


class SessionInfo(BaseModel):
    """A session as its callers see it. Times are ISO 8601 in UTC."""

    session_id: str
    user_id: str | None
    status: str
    processing_status: str
    file_path: str | None
    total_chunks: int
    duration_seconds: float
    lost_seconds: float | None = Field(
        description="How much sound is missing in the file, as far as anything tells"
    )
    start_time: str
    sample_rate: int
    channels: int
    format: str
    bytes_received: int
    closed_at: str | None
    expires_at: str
    next_seq: int
    missing_chunks: list[int]
    download_url: str | None
    error: str | None

    @classmethod
    def of(cls, session: Session, *, download_url: str | None) -> SessionInfo:
        kept = session.model_dump(
            include={
                "session_id", "user_id", "file_path", "total_chunks", "duration_seconds",
                "lost_seconds",
                "sample_rate", "channels", "format", "bytes_received", "next_seq",
                "missing_chunks", "error",
            }
        )  # fmt: skip
        return cls(
            **kept,
            status=session.status.public,
            processing_status=session.status.processing,
            start_time=iso_ms(session.start_time),
            closed_at=None if session.closing_at is None else iso_ms(session.closing_at),
            expires_at=iso_ms(session.expires_at),
            download_url=download_url,
        )


class SessionPage(BaseModel):
    """One page of a caller's sessions, active first, then newest first."""

    sessions: list[SessionInfo]
    next_cursor: str | None


class ClosedSession(BaseModel):
    success: bool
    session_id: str
    final_info: SessionInfo
