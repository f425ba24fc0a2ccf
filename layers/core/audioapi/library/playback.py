"""Playing a file from a function: whole, in part, or by way of S3 where it is too large for that.

Ranges and conditions as in RFC 9110, chapters 13 and 14.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audioapi import objects, settings
from audioapi.library import service
from audioapi.problems import RangeNotSatisfiableError

if TYPE_CHECKING:
    from uuid import UUID

    from audioapi.identity import Principal

MOST_BYTES = 4 * 1024 * 1024
"""A function's answer may have 6 MB, in base64.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)


@dataclass(frozen=True)
class Part:
    """The bytes `start` up to, not including, `end` of a file's `total`."""

    start: int
    end: int
    total: int

    @property
    def size(self) -> int:
        return self.end - self.start

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.end - 1}/{self.total}"


@dataclass(frozen=True)
class Playback:
    """A file to be played: its key, its type, and its length in bytes."""

    key: str
    content_type: str
    size: int
    etag: str

    def part(self, wanted: str | None, if_range: str | None) -> Part | None:
        """The part that a request with these headers, Range and If-Range, asks for; None for the
        whole file, as after a change, and for another unit or several parts, as the RFC allows.

        Raises RangeNotSatisfiableError for a range past the end.
        """
        return part_of(wanted, self.size) if if_range in (None, self.etag) else None

    def fits(self, part: Part | None) -> bool:
        """Whether a function can answer with it."""
        return (part.size if part else self.size) <= MOST_BYTES

    def read(self, part: Part | None) -> bytes:
        wanted = f"bytes={part.start}-{part.end - 1}" if part else None
        return service.read_object(self.key, byte_range=wanted)

    def url(self, *, head_only: bool) -> str:
        """Where S3 has it, for a while, to be asked for with GET, or with HEAD alone."""
        bucket = settings.library().audio_bucket
        return objects.presigned_url(bucket, self.key, head_only=head_only)


def find(caller: Principal, audio_id: UUID) -> Playback:
    """Raises AudioNotFoundError, and ConflictError while the file is not made."""
    audio = service.playable(caller, audio_id)
    return Playback(
        key=service.processed_key(audio.organization_id, audio.id),
        content_type=audio.content_type,
        size=audio.file_size,
        etag=f'"{audio.checksum}"',
    )


def part_of(wanted: str | None, total: int) -> Part | None:
    """The part that a Range header asks for; None for the whole file."""
    asked = _RANGE.fullmatch(wanted.strip()) if wanted else None
    if asked is None:
        return None
    first, last = (int(text) if text else None for text in asked.groups())
    if first is None:
        if last is None:
            return None
        start, end = max(total - last, 0), total
    else:
        if last is not None and last < first:
            return None  # malformed, and so to be ignored
        start, end = first, total if last is None else min(last + 1, total)
    if start >= end:
        raise RangeNotSatisfiableError(total)
    return Part(start, end, total)


def unchanged(if_none_match: str | None, etag: str) -> bool:
    """Whether the caller has this very file already; weak tags are as good as strong ones here."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags
