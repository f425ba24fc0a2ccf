"""The recording in the bucket: whether it may be processed, and its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from audioapi import objects, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK_BYTES = 1024 * 1024
_MEGABYTE = 1024 * 1024


class RecordingError(Exception):
    """There is no recording that could be processed; the message says why, for a person."""


@dataclass(frozen=True)
class Found:
    """An object as it is now: its version's ETag, bytes, and when it was written (epoch ms)."""

    key: str
    etag: str
    size: int
    modified: int


def find(key: str) -> Found:
    """Raises RecordingError if there is none, or nothing in it."""
    name = key.rpartition("/")[2]
    try:
        head = objects.client().head_object(Bucket=_bucket(), Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        raise RecordingError(f"There is no recording {name!r}") from error
    if head["ContentLength"] == 0:
        raise RecordingError(f"The recording {name!r} is empty")
    modified = round(head["LastModified"].timestamp() * 1000)
    return Found(key, head["ETag"], head["ContentLength"], modified)


def check_size(found: Found) -> None:
    """Raises RecordingError for a file over MAX_FILE_SIZE_MB."""
    limit = settings.processing().max_file_size_mb
    if found.size > limit * _MEGABYTE:
        size = found.size / _MEGABYTE
        raise RecordingError(f"The recording has {size:.1f} MB; MAX_FILE_SIZE_MB allows {limit}")


def read(found: Found) -> Iterator[bytes]:
    """The bytes of that version, in blocks."""
    return objects.stream(_bucket(), found.key, etag=found.etag)


def read_range(key: str, start: int, end: int) -> Iterator[bytes]:
    """An object's bytes from `start` up to `end`, in blocks."""
    body = objects.client().get_object(Bucket=_bucket(), Key=key, Range=f"bytes={start}-{end - 1}")[
        "Body"
    ]
    return body.iter_chunks(_BLOCK_BYTES)


def _bucket() -> str:
    return settings.processing().audio_bucket
