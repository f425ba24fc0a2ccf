"""Direct uploads into the library, for files larger than a request may be: the parts go to S3, and
`uploaded` makes audio of the files. Nothing here needs the database, so that the functions that see
to the parts start without SQLAlchemy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from audioapi.library.wire import Moment, Wire
from audioapi.problems import InvalidRequestError
from audioapi.uploads import service as uploads
from audioapi.uploads.models import (
    File,
    Part,
    PartsAtOnce,
    ReceivedPart,
    SignedPart,
    Status,
    Upload,
)

if TYPE_CHECKING:
    from audioapi.identity import Principal

PURPOSE = "library"


class LibraryUpload(Wire):
    """An upload, and the id of the audio that it becomes. Sizes in bytes."""

    upload_id: str
    audio_id: UUID
    file_name: str
    file_size: int
    part_size: int
    part_count: int
    expires_at: Moment
    status: Status

    @classmethod
    def of(cls, upload: Upload, **more: Any) -> Self:
        return cls(
            upload_id=upload.upload_id,
            audio_id=audio_id_of(upload.file),
            file_name=upload.file.name,
            file_size=upload.file.size,
            part_size=upload.part_size,
            part_count=upload.part_count,
            expires_at=upload.ends_at,
            status=upload.status,
            **more,
        )


class PartToSend(Part, Wire):
    """In camelCase, as everything of the library is."""


class SignedAddress(SignedPart, Wire):
    expires_at: Moment


class PartThere(ReceivedPart, Wire):
    """In camelCase."""


class PartsToSend(Wire):
    parts: PartsAtOnce[PartToSend]


class SignedAddresses(Wire):
    parts: list[SignedAddress]


class UploadProgress(LibraryUpload):
    """With the parts that have arrived: a client goes on with the others."""

    received_parts: list[PartThere]


def sign(caller: Principal, upload_id: str, wanted: PartsToSend) -> SignedAddresses:
    """Raises InvalidRequestError for a part that the file doesn't have, and ConflictError for an
    upload that is over.
    """
    caller.require("write")
    upload = find(caller, upload_id)
    signed = uploads.sign(upload, wanted.parts, malformed=InvalidRequestError)
    return SignedAddresses(parts=[SignedAddress(**part.model_dump()) for part in signed])


def progress(caller: Principal, upload_id: str) -> UploadProgress:
    caller.require("read")
    upload = find(caller, upload_id)
    there = [PartThere(**dict(part)) for part in uploads.received(upload)]
    return UploadProgress.of(upload, received_parts=there)


def abort(caller: Principal, upload_id: str) -> LibraryUpload:
    caller.require("write")
    upload = find(caller, upload_id)
    return LibraryUpload.of(uploads.abort(upload))


def find(caller: Principal, upload_id: str) -> Upload:
    """The caller's upload into the library. Raises NotFoundError for any other."""
    return uploads.find(caller, upload_id, purpose=PURPOSE)


def audio_id_of(file: File) -> UUID:
    """It is in the key that the file goes to."""
    return UUID(file.key.split("/")[-2])
