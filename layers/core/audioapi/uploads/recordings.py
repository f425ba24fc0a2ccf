"""Uploads of recordings: where processing finds them, and as their routes tell of them."""

from __future__ import annotations

import uuid
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel

from audioapi.problems import ConflictError, UnprocessableError
from audioapi.recordings import EXTENSIONS, check_file_id, check_file_name, recording_key
from audioapi.uploads import service
from audioapi.uploads.models import (
    UNKNOWN_TYPE,
    ContentType,
    File,
    FileSize,
    Part,
    PartsAtOnce,
    ReceivedPart,
    SignedPart,
    Status,
    Upload,
)

if TYPE_CHECKING:
    from audioapi.identity import Principal

_PURPOSE = "recording"


class NewRecording(BaseModel):
    """`file_name`'s extension says what it is; `file_size` in bytes; `file_id`, which processing
    asks for, is made up if it isn't given.
    """

    file_name: str
    file_size: FileSize
    content_type: ContentType = UNKNOWN_TYPE
    file_id: str | None = None


class PartsToSend(BaseModel):
    parts: PartsAtOnce[Part]


class SignedParts(BaseModel):
    parts: list[SignedPart]


class RecordingUpload(BaseModel):
    """An upload, with what `POST /process_audio_v2/{user_id}` needs once it is completed."""

    upload_id: str
    user_id: str
    file_id: str
    file_extension: str
    file_name: str
    file_size: int
    part_size: int
    part_count: int
    expires_at: datetime
    status: Status

    @classmethod
    def of(cls, upload: Upload, **more: object) -> Self:
        stored = PurePosixPath(upload.file.key)
        return cls.model_validate(
            {
                "upload_id": upload.upload_id,
                "user_id": upload.user_id,
                "file_id": stored.stem,
                "file_extension": stored.suffix.removeprefix("."),
                "file_name": upload.file.name,
                "file_size": upload.file.size,
                "part_size": upload.part_size,
                "part_count": upload.part_count,
                "expires_at": upload.ends_at,
                "status": upload.status,
                **more,
            }
        )


class RecordingProgress(RecordingUpload):
    """With the parts that have arrived, in order: a client goes on with the others."""

    received_parts: list[ReceivedPart]


def begin(caller: Principal, wanted: NewRecording) -> RecordingUpload:
    """Raises UnprocessableError for a name or an id that can't be, FileTooLargeError, and
    ConflictError if the caller has a recording of this id already.
    """
    caller.require("write")
    check_file_name(wanted.file_name)
    extension = _extension(wanted.file_name)
    file_id = uuid.uuid4().hex if wanted.file_id is None else wanted.file_id
    check_file_id(file_id)
    file = File(
        purpose=_PURPOSE,
        key=recording_key(caller.organization_id, caller.user_id, f"{file_id}.{extension}"),
        name=wanted.file_name,
        size=wanted.file_size,
        content_type=wanted.content_type,
    )
    return RecordingUpload.of(service.begin(caller, file))


def sign(caller: Principal, upload_id: str, wanted: PartsToSend) -> SignedParts:
    caller.require("write")
    upload = service.find(caller, upload_id, purpose=_PURPOSE)
    return SignedParts(parts=service.sign(upload, wanted.parts))


def progress(caller: Principal, upload_id: str) -> RecordingProgress:
    caller.require("read")
    upload = service.find(caller, upload_id, purpose=_PURPOSE)
    return RecordingProgress.of(upload, received_parts=service.received(upload))


def complete(caller: Principal, upload_id: str) -> RecordingUpload:
    caller.require("write")
    upload = service.find(caller, upload_id, purpose=_PURPOSE)
    return RecordingUpload.of(service.complete(upload))


def completed(caller: Principal, upload_id: str) -> File:
    """The caller's recording, whole at its key. Raises NotFoundError, and ConflictError for one
    that isn't completed.
    """
    caller.require("read")
    upload = service.find(caller, upload_id, purpose=_PURPOSE)
    if upload.status is not Status.COMPLETED:
        raise ConflictError(f"The upload is {upload.status}", upload_status=upload.status)
    return upload.file


def abort(caller: Principal, upload_id: str) -> RecordingUpload:
    caller.require("write")
    upload = service.find(caller, upload_id, purpose=_PURPOSE)
    return RecordingUpload.of(service.abort(upload))


def _extension(file_name: str) -> str:
    extension = PurePosixPath(file_name).suffix.removeprefix(".").lower()
    if extension not in EXTENSIONS:
        raise UnprocessableError(
            f"file_name: {file_name!r} has none of the extensions that can be processed",
            field="file_name",
            valid_values=list(EXTENSIONS),
        )
    return extension
