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
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


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
    """A file to be played. `part` is None for the whole of it."""

    key: str
    content_type: str
    size: int
    etag: str
    part: Part | None

    @property
    def fits(self) -> bool:
        """Whether a function can answer with it."""
        return (self.part.size if self.part else self.size) <= MOST_BYTES

    def read(self) -> bytes:
        wanted = f"bytes={self.part.start}-{self.part.end - 1}" if self.part else None
        return objects.read(settings.library().audio_bucket, self.key, byte_range=wanted)

    def url(self) -> str:
        return objects.presigned_url(settings.library().audio_bucket, self.key)


def open_audio(
    caller: Principal, audio_id: UUID, *, wanted: str | None, if_range: str | None
) -> Playback:
    """`wanted` and `if_range` are the headers Range and If-Range. A range of another unit or of
    several parts is answered with the whole file, as the RFC allows.

    Raises RangeNotSatisfiableError for a range past the end.
    """
    audio = service.playable(caller, audio_id)
    etag = f'"{audio.checksum}"'
    heeded = wanted if if_range in (None, etag) else None
    return Playback(
        key=service.processed_key(audio.organization_id, audio.id),
        content_type=audio.content_type,
        size=audio.file_size,
        etag=etag,
        part=part_of(heeded, audio.file_size),
    )


def part_of(wanted: str | None, total: int) -> Part | None:
    """The part that a Range header asks for; None for the whole file."""
    asked = _RANGE.fullmatch(wanted.strip()) if wanted else None
    if asked is None or not any(asked.groups()):
        return None
    first, last = asked.groups()
    if first:
        start, end = int(first), min(int(last) + 1, total) if last else total
        if last and int(last) < int(first):
            return None  # malformed, so it is to be ignored
    else:
        start, end = max(total - int(last), 0), total
    if start >= total or start >= end:
        raise RangeNotSatisfiableError(total)
    return Part(start, end, total)


def unchanged(if_none_match: str | None, etag: str) -> bool:
    """Whether the caller has this very file already; weak tags are as good as strong ones here."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags
