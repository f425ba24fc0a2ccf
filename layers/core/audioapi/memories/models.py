"""A memory as it is kept, one row a window of a recording, and what callers see of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, StringConstraints
from sqlalchemy import (
    CheckConstraint,
    Computed,
    DateTime,
    Double,
    Index,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from audioapi.database import Base

T = TypeVar("T", bound=BaseModel)
ProcessingStatus = Literal["pending", "complete", "failed"]
SEARCH_CONFIGURATION = "english"
"""How PostgreSQL finds words in transcripts: English stems, and no stop words."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(epoch_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=epoch_ms)


class Owner(Protocol):
    """Whose memories: the same `user_id` in two organisations is two people."""

    @property
    def organization_id(self) -> str: ...
    @property
    def user_id(self) -> str: ...


@dataclass(frozen=True)
class Recording:
    """What is cut into memories. `start_time` is its first sample's, `asked_at` when that was asked
    for, in epoch milliseconds: what is deleted later stays so.
    """

    session_id: str
    organization_id: str
    user_id: str
    start_time: int
    asked_at: int

    @property
    def began(self) -> datetime:
        return moment(self.start_time)

    @property
    def asked(self) -> datetime:
        return moment(self.asked_at)


class WorldMMSegment(Base):
    """A window of a recording. `source_session_id` names the recording and `recorded_at` says when
    it began, the same for all its windows; what is linked to no recording stands for itself.
    """

    __tablename__ = "world_mm_segments"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    organization_id: Mapped[str] = mapped_column(Text)
    user_id: Mapped[str] = mapped_column(Text)
    source_session_id: Mapped[str | None] = mapped_column(Text)
    source_window_index: Mapped[int | None]
    start_time: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    end_time: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    duration_seconds: Mapped[float] = mapped_column(Double)
    processing_status: Mapped[ProcessingStatus] = mapped_column(Text)
    transcript: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    memory_id: Mapped[str] = mapped_column(
        Text, Computed("coalesce(source_session_id, id)", persisted=True)
    )
    # The owner is a word of each row's, so that the index looks through nobody else's transcripts.
    # A word may have 2,046 bytes. https://www.postgresql.org/docs/current/textsearch-limitations.html
    search: Mapped[str | None] = mapped_column(
        TSVECTOR,
        Computed(
            f"to_tsvector('{SEARCH_CONFIGURATION}', nullif(transcript, ''))"
            " || array_to_tsvector(ARRAY[left(organization_id || '/' || user_id, 500)])",
            persisted=True,
        ),
        deferred=True,
    )

    __table_args__ = (
        CheckConstraint(
            "processing_status IN ('pending', 'complete', 'failed')",
            name="world_mm_segments_processing_status_check",
        ),
        # An object belongs to one row: its key is made of these two.
        UniqueConstraint(
            "source_session_id",
            "source_window_index",
            name="world_mm_segments_session_window_key",
        ),
        Index(
            "world_mm_segments_lookup_idx",
            "organization_id",
            "user_id",
            "source_session_id",
            "start_time",
            "id",
        ),
        Index(
            "world_mm_segments_feed_idx",
            "organization_id",
            "user_id",
            "recorded_at",
            "memory_id",
            "start_time",
            "id",
            postgresql_include=["end_time", "duration_seconds", "processing_status"],
        ),
        Index("world_mm_segments_search_idx", "search", postgresql_using="gin"),
    )


def audio_key(session_id: str, window_index: int) -> str:
    return f"sessions/{session_id}/window_{window_index:03d}/audio.wav"


class DeletedMemory(Base):
    """That a recording's window was deleted, or all of them: whoever still works on it, or does so
    again, writes it no more.
    """

    __tablename__ = "deleted_memories"

    organization_id: Mapped[str] = mapped_column(Text, primary_key=True)
    user_id: Mapped[str] = mapped_column(Text, primary_key=True)
    source_session_id: Mapped[str] = mapped_column(Text, primary_key=True)
    source_window_index: Mapped[int] = mapped_column(primary_key=True)
    deleted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class MemoryRequest(BaseModel):
    memory_id: Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1)]


class MemoryAudio(BaseModel):
    """`presigned_url` is None unless the status is `complete`."""

    presigned_url: str | None
    duration_seconds: float
    processing_status: ProcessingStatus


class Memory(BaseModel):
    """A recording in the feed. `memory_id` is its session's id, or that of a lone segment; times
    (ISO 8601 in UTC) reach from the first window's start to the last one's end, `duration_seconds`
    is what there is to hear in between. `transcript` is the windows' text, cut off after 300
    characters; None if there is none.
    """

    memory_id: str
    start_time: str
    end_time: str
    duration_seconds: float
    windows: int
    processing_status: ProcessingStatus
    transcript: str | None


class MemoryPage(BaseModel):
    """One page of a caller's memories, newest first."""

    memories: list[Memory]
    next_cursor: str | None


class Deleted(BaseModel):
    """How many segments were removed."""

    deleted: int


class Answer(BaseModel, Generic[T]):
    """Published clients read what they asked for under `data`."""

    data: T
