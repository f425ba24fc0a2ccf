"""Where callers' recordings are: uploads put them there, processing reads them."""

from __future__ import annotations

import re
from typing import Literal, get_args

from audioapi import tenants
from audioapi.problems import UnprocessableError

Extension = Literal["m4a", "mp3", "wav", "flac", "aac", "ogg", "opus", "webm"]
EXTENSIONS: tuple[str, ...] = get_args(Extension)
_FILE_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_FILE_NAME = re.compile(r"[^/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}")
_KEY_BYTES = 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""


def check_file_id(file_id: str) -> None:
    """Raises UnprocessableError for an id that can't be part of a key, or of an address."""
    if not _FILE_ID.fullmatch(file_id):
        raise UnprocessableError(
            "file_id: 1 to 128 letters, digits, '_', '-' or '.', not beginning with '.'",
            field="file_id",
        )


def check_file_name(file_name: str) -> None:
    """Raises UnprocessableError for a name that isn't a file's, or one in another folder."""
    if not _FILE_NAME.fullmatch(file_name) or file_name in (".", ".."):
        raise UnprocessableError(
            "file_name: 1 to 255 characters, no '/', '\\' or control characters, no '.' or '..'",
            field="file_name",
        )


def recording_key(organization_id: str, user_id: str, name: str) -> str:
    """The key of a user's recording; `name` is `{file_id}.{extension}` or a file name.

    Two organisations may know a user by the same id, and a quoted id reaches into no other folder.
    Raises UnprocessableError for a key that is longer than S3 takes.
    """
    key = f"recordings/{tenants.folder(organization_id, user_id)}/{name}"
    if len(key.encode()) > _KEY_BYTES:
        raise UnprocessableError(f"file_name: {name!r} is too long", field="file_name")
    return key
