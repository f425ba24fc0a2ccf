"""An audio of the library: what is kept of it, and what callers see of it (camelCase, seed's form).

Times are UTC, durations seconds, rates Hz, sizes bytes.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints
from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    String,
    Text,
    column,
    func,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from audioapi.database import Base
from audioapi.library.wire import Moment, Wire
from audioapi.organizations import Organization

MAX_TITLE = 255
MAX_DESCRIPTION = 500
MAX_TAG = 64
MAX_TAGS = 50
PROCESSED_TYPE = "audio/wav"
TELEPHONY_RATE = 8000
BIT_DEPTH = 16


class UsageType(StrEnum):
    WELCOME = "welcome"
    GOODBYE = "goodbye"
    QUESTION = "question"
    PROMPT = "prompt"
    HOLD_MUSIC = "hold_music"
    NOTIFICATION = "notification"
    OTHER = "other"


class ProcessingStatus(StrEnum):
    """PENDING → COMPLETE or FAILED; what came with its request is COMPLETE from the start."""

    PENDING = "pending"
    COMPLETE = "complete"
    FAILED = "failed"


def _one_of(column: str, values: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


class LibraryAudio(Base):
    """One audio of one organisation. `search` holds its words and tags, as `store` writes them."""

    __tablename__ = "library_audios"
    # Each index begins with the organisation, so that a page costs the same whatever others keep;
    # `search` has it in each of its words. Ties end with the id, so one index serves both orders.
    __table_args__ = (
        CheckConstraint(_one_of("usage_type", UsageType), "library_audios_usage_type_check"),
        CheckConstraint(
            _one_of("processing_status", ProcessingStatus), "library_audios_processing_status_check"
        ),
        Index("library_audios_created_idx", "organization_id", "created_at", "id"),
        Index("library_audios_title_idx", "organization_id", func.lower(column("title")), "id"),
        Index("library_audios_duration_idx", "organization_id", "duration_seconds", "id"),
        Index("library_audios_usage_idx", "organization_id", "usage_type", "created_at", "id"),
        Index("library_audios_search_idx", "search", postgresql_using="gin"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey(Organization.id))
    title: Mapped[str] = mapped_column(String(MAX_TITLE))
    description: Mapped[str | None] = mapped_column(String(MAX_DESCRIPTION))
    usage_type: Mapped[str] = mapped_column(String(16))
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    search: Mapped[str] = mapped_column(TSVECTOR, deferred=True)
    duration_seconds: Mapped[float | None]
    sample_rate: Mapped[int | None]
    channels: Mapped[int | None]
    bit_depth: Mapped[int | None]
    original_file_name: Mapped[str | None] = mapped_column(String(MAX_TITLE))
    processing_status: Mapped[str] = mapped_column(String(8))
    processing_error: Mapped[str | None] = mapped_column(Text)
    file_id: Mapped[UUID]
    file_name: Mapped[str] = mapped_column(Text)
    content_type: Mapped[str] = mapped_column(Text)
    file_size: Mapped[int] = mapped_column(BigInteger)
    checksum: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )


def _constrained(**limits: Any) -> StringConstraints:
    """Without NUL, which PostgreSQL can't keep."""
    return StringConstraints(strip_whitespace=True, pattern=r"^[^\x00]*$", **limits)


Title = Annotated[str, _constrained(min_length=1, max_length=MAX_TITLE)]
Description = Annotated[str, _constrained(max_length=MAX_DESCRIPTION)]
Tag = Annotated[str, _constrained(min_length=1, max_length=MAX_TAG)]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS)]
AskedTag = Annotated[str, _constrained(max_length=MAX_TAG)]
"""Of a query, where commas may have nothing between them."""


class NewAudio(Wire):
    """What an audio is to be, beside its file; without a title it has the file's name."""

    title: Title | None = None
    description: Description | None = None
    usage_type: UsageType = UsageType.OTHER
    tags: Tags | None = None


class UpdateAudioRequest(Wire):
    """What is given is changed; a description or tags may be taken away by null."""

    title: Title = ""
    description: Description | None = None
    usage_type: UsageType = UsageType.OTHER
    tags: Tags | None = None


class AudioFile(Wire):
    """The file that is played: `checksum` is its SHA-256 in hex, null until it is made."""

    id: UUID
    name: str
    content_type: str
    file_size: int
    checksum: str | None


class AudioResponse(Wire):
    """`processingStatus` and `processingError` are there until the file is complete, as for direct
    uploads, whose file the worker makes.
    """

    id: UUID
    title: str
    description: str | None
    usage_type: UsageType
    tags: list[str] | None
    duration_seconds: float | None
    sample_rate: int | None
    channels: int | None
    bit_depth: int | None
    organization_id: UUID | None
    original_file_name: str | None
    created_at: Moment
    updated_at: Moment
    file: AudioFile
    processing_status: ProcessingStatus | None = Field(None, exclude_if=lambda value: value is None)
    processing_error: str | None = Field(None, exclude_if=lambda value: value is None)


class OrganizationResponse(Wire):
    id: UUID
    name: str
    slug: str


class AudioWithRelationsResponse(AudioResponse):
    organization: OrganizationResponse


class PaginationMeta(Wire):
    page: int
    limit: int
    total: int
    total_pages: int
    has_next_page: bool
    has_previous_page: bool


class AudioListResponse(Wire):
    data: list[AudioResponse]
    meta: PaginationMeta


class PlaybackUrlResponse(Wire):
    id: UUID
    playback_url: str
    expires_in: int
    expires_at: Moment


class MessageResponse(Wire):
    message: str
