"""What an upload is, which states it goes through, and how a file is cut into parts."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

PART_SIZE = 8 * 1024 * 1024
"""Bytes of every part but the last. S3 takes 5 MiB to 5 GiB, and 10,000 parts: enough for 80 GB.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""
_MOST_PARTS_AT_ONCE = 100

T = TypeVar("T")
PartsAtOnce = Annotated[list[T], Field(min_length=1, max_length=_MOST_PARTS_AT_ONCE)]
"""As many parts as one request may ask to be signed."""
FileSize = Annotated[int, Field(ge=1)]
"""In bytes."""
ContentType = Annotated[str, Field(pattern=r"^[\w.+-]+/[\w.+-]+$", max_length=127)]
UNKNOWN_TYPE: ContentType = "application/octet-stream"


class Status(StrEnum):
    """UPLOADING → COMPLETING → COMPLETED, or UPLOADING → ABORTED.

    COMPLETING is noted before S3 puts the parts together, so that an abort which comes at that
    moment is refused and not half done. A completion that S3 refuses leads back to UPLOADING.
    """

    UPLOADING = "uploading"
    COMPLETING = "completing"
    COMPLETED = "completed"
    ABORTED = "aborted"

    @property
    def reached_from(self) -> tuple[Status, ...]:
        """Itself among them where a request that comes twice gets the same answer."""
        return _REACHED_FROM[self]


_REACHED_FROM = {
    Status.UPLOADING: (Status.COMPLETING,),
    Status.COMPLETING: (Status.UPLOADING, Status.COMPLETING),
    Status.COMPLETED: (Status.COMPLETING, Status.COMPLETED),
    Status.ABORTED: (Status.UPLOADING, Status.ABORTED),
}


class File(BaseModel):
    """A file that is to be uploaded. `size` in bytes; `key` is where it goes in the bucket, and
    `purpose` the family that asked, which alone finds the upload again, and in it `details`, JSON
    values that are its own.
    """

    model_config = ConfigDict(frozen=True)

    purpose: str
    key: str
    name: str
    size: int
    content_type: str
    details: dict[str, Any] = {}


class Upload(BaseModel):
    """An upload as it is kept. Sizes in bytes, `expires_at` in epoch seconds."""

    model_config = ConfigDict(frozen=True)

    upload_id: str
    organization_id: str
    user_id: str
    file: File
    s3_upload_id: str
    part_size: int = PART_SIZE
    status: Status = Status.UPLOADING
    expires_at: int

    @property
    def part_count(self) -> int:
        return -(-self.file.size // self.part_size)

    def size_of(self, part_number: int) -> int:
        """Bytes of a part; parts are numbered from 1, and the last is what is left."""
        return min(self.part_size, self.file.size - (part_number - 1) * self.part_size)

    @property
    def ends_at(self) -> datetime:
        return datetime.fromtimestamp(self.expires_at, UTC)


class Part(BaseModel):
    """A part that is to be sent: its SHA-256 in base64, which S3 compares with what comes."""

    part_number: Annotated[int, Field(ge=1)]
    # 32 bytes are 42 characters, one with four bits, and the padding.
    checksum_sha256: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$")]


class SignedPart(BaseModel):
    """Where a part goes, by PUT, with just these headers, until when."""

    part_number: int
    url: str
    headers: dict[str, str]
    expires_at: datetime


class ReceivedPart(BaseModel):
    """A part that S3 has. `checksum_sha256` is None only from an S3 that tells none."""

    part_number: int
    size: int
    checksum_sha256: str | None
    etag: Annotated[str, Field(exclude=True)]
