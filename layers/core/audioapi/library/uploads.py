"""Direct uploads into the library, for files larger than a request may be: the parts go to S3, and
the worker normalises the file that they make.
"""

from __future__ import annotations

import tempfile
import uuid
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Self
from uuid import UUID

from pydantic import Field

from audioapi import database, objects, queues, settings
from audioapi.library import intake, normalise, service, store
from audioapi.library.models import (
    AudioResponse,
    LibraryAudio,
    Moment,
    NewAudio,
    ProcessingStatus,
    Wire,
)
from audioapi.media.errors import MediaError
from audioapi.observe import logger
from audioapi.uploads import service as uploads
from audioapi.uploads.models import (
    MOST_PARTS_AT_ONCE,
    File,
    Part,
    ReceivedPart,
    SignedPart,
    Status,
    Upload,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from audioapi.identity import Principal

GAVE_UP = "The file could not be made"
_PURPOSE = "library"


class NewUpload(NewAudio):
    """What an audio is to be, with its file's name, size in bytes and type."""

    file_name: Annotated[str, Field(min_length=1, max_length=255)]
    file_size: Annotated[int, Field(ge=1)]
    content_type: Annotated[str, Field(pattern=r"^[\w.+-]+/[\w.+-]+$", max_length=127)] = (
        "application/octet-stream"
    )


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
            audio_id=_audio_id(upload),
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
    parts: Annotated[list[PartToSend], Field(min_length=1, max_length=MOST_PARTS_AT_ONCE)]


class SignedAddresses(Wire):
    parts: list[SignedAddress]


class UploadProgress(LibraryUpload):
    """With the parts that have arrived: a client goes on with the others."""

    received_parts: list[PartThere]


def begin(caller: Principal, wanted: NewUpload) -> LibraryUpload:
    own = service.organization_of(caller, "write")
    audio_id = uuid.uuid4()
    file = File(
        purpose=_PURPOSE,
        key=service.original_key(own, audio_id),
        name=intake.file_name(wanted.file_name),
        size=wanted.file_size,
        content_type=wanted.content_type,
        details=wanted.model_dump(mode="json", include=set(NewAudio.model_fields)),
    )
    return LibraryUpload.of(uploads.begin(caller, file))


def sign(caller: Principal, upload_id: str, wanted: PartsToSend) -> SignedAddresses:
    caller.require("write")
    signed = uploads.sign(_find(caller, upload_id), wanted.parts)
    return SignedAddresses(parts=[SignedAddress(**part.model_dump()) for part in signed])


def progress(caller: Principal, upload_id: str) -> UploadProgress:
    caller.require("read")
    upload = _find(caller, upload_id)
    there = [PartThere(**dict(part)) for part in uploads.received(upload)]
    return UploadProgress.of(upload, received_parts=there)


def complete(caller: Principal, upload_id: str) -> AudioResponse:
    """The audio that the upload becomes, its file pending. The same again if it was completed
    before, and the worker is asked again, which finds its work done.
    """
    own = service.organization_of(caller, "write")
    upload = _find(caller, upload_id)
    audio_id = _audio_id(upload)
    if upload.status is not Status.COMPLETED:
        intake.expect_row(own, audio_id)
    completed = uploads.complete(upload)
    wanted = NewAudio.model_validate(completed.file.details)
    audio = intake.new_audio(
        own, audio_id, wanted, name=completed.file.name, size=completed.file.size
    )
    response = intake.keep(audio)
    ids = {"organization_id": str(own), "audio_id": str(audio_id)}
    queues.send(settings.library().jobs_queue_url, {"type": "normalise_audio", **ids})
    return response


def abort(caller: Principal, upload_id: str) -> LibraryUpload:
    caller.require("write")
    return LibraryUpload.of(uploads.abort(_find(caller, upload_id)))


def normalise_audio(organization_id: str, audio_id: str) -> None:
    """The worker's part: makes the file of a pending audio. Done twice, it makes the same."""
    audio = _pending(UUID(organization_id), UUID(audio_id))
    if audio is None:
        return
    bucket = settings.library().audio_bucket
    original = service.original_key(audio.organization_id, audio.id)
    with tempfile.TemporaryFile() as made:
        try:
            facts = normalise.normalise(partial(objects.stream, bucket, original), made)
        except MediaError as error:
            logger.warning("upload is no audio", audio_id=audio_id, reason=str(error))
            outcome = _failure(str(error))
        else:
            intake.store_made(audio, made, facts)
            outcome = intake.made_of(facts)
    _finish(audio, outcome)


def give_up(organization_id: str, audio_id: str) -> None:
    """Marks an audio whose file could not be made, so that nobody waits for it in vain."""
    if audio := _pending(UUID(organization_id), UUID(audio_id)):
        _finish(audio, _failure(GAVE_UP))


def _failure(reason: str) -> dict[str, Any]:
    return {"processing_status": ProcessingStatus.FAILED, "processing_error": reason}


def _finish(audio: LibraryAudio, values: dict[str, Any]) -> None:
    """An audio that was deleted meanwhile leaves nothing behind."""

    def write(session: Session) -> bool:
        store.finish(session, audio.id, values)
        return store.get(session, audio.organization_id, audio.id) is None

    if database.transaction(write):
        intake.tidy(str(audio.organization_id), str(audio.id))


def _pending(own: UUID, audio_id: UUID) -> LibraryAudio | None:
    audio = database.transaction(lambda session: store.get(session, own, audio_id))
    pending = audio is not None and audio.processing_status == ProcessingStatus.PENDING
    return audio if pending else None


def _find(caller: Principal, upload_id: str) -> Upload:
    return uploads.find(caller, upload_id, purpose=_PURPOSE)


def _audio_id(upload: Upload) -> UUID:
    """It is in the key that the file goes to."""
    return UUID(upload.file.key.split("/")[-2])
