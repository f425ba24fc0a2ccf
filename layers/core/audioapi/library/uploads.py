"""Direct uploads into the library, for files larger than a request may be: the parts go to S3, and
the worker normalises the file that they make.
"""

from __future__ import annotations

import tempfile
import uuid
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
from audioapi.problems import AudioNotFoundError, InvalidRequestError
from audioapi.uploads import service as uploads
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
    from sqlalchemy.orm import Session

    from audioapi.identity import Principal

GAVE_UP = "The file could not be made"
_PURPOSE = "library"


class NewUpload(NewAudio):
    """What an audio is to be, with its file's name, size in bytes and type."""

    file_name: Annotated[str, Field(min_length=1, max_length=255)]
    file_size: FileSize
    content_type: ContentType = UNKNOWN_TYPE


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
            audio_id=_audio_id(upload.file),
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


def begin(caller: Principal, wanted: NewUpload) -> LibraryUpload:
    """Raises FileTooLargeError, and ForbiddenError if the caller has no library."""
    own = intake.library_of(caller)
    file = File(
        purpose=_PURPOSE,
        key=service.original_key(own, uuid.uuid4()),
        name=intake.file_name(wanted.file_name),
        size=wanted.file_size,
        content_type=wanted.content_type,
        details=wanted.model_dump(mode="json", include=set(NewAudio.model_fields)),
    )
    return LibraryUpload.of(uploads.begin(caller, file))


def sign(caller: Principal, upload_id: str, wanted: PartsToSend) -> SignedAddresses:
    """Raises InvalidRequestError for a part that the file doesn't have, and ConflictError for an
    upload that is over.
    """
    caller.require("write")
    upload = _find(caller, upload_id)
    signed = uploads.sign(upload, wanted.parts, malformed=InvalidRequestError)
    return SignedAddresses(parts=[SignedAddress(**part.model_dump()) for part in signed])


def progress(caller: Principal, upload_id: str) -> UploadProgress:
    caller.require("read")
    upload = _find(caller, upload_id)
    there = [PartThere(**dict(part)) for part in uploads.received(upload)]
    return UploadProgress.of(upload, received_parts=there)


def complete(caller: Principal, upload_id: str) -> AudioResponse:
    """The audio that the upload becomes, its file pending. A second time the same, as it is now.

    Raises ConflictError with `missing_parts`, and AudioNotFoundError once the audio is deleted.
    """
    own = service.organization_of(caller, "write")
    upload = _find(caller, upload_id)
    audio = _kept(own, _audio_id(upload.file)) or _completed(upload)
    if audio is None:
        raise AudioNotFoundError
    if audio.processing_status == ProcessingStatus.PENDING:
        _ask_worker(upload.file)
    return service.response(audio)


def abort(caller: Principal, upload_id: str) -> LibraryUpload:
    caller.require("write")
    upload = _find(caller, upload_id)
    return LibraryUpload.of(uploads.abort(upload))


def normalise_audio(**file: Any) -> None:
    """The worker's part: makes the file of a pending audio, whose row it adds if the request that
    completed the upload could not. Done twice, it makes the same.
    """
    uploaded = File(**file)
    own, audio_id = _organization_id(uploaded), _audio_id(uploaded)
    audio = _kept(own, audio_id) or _added(uploaded)
    if audio is None:
        _remove_made(own, audio_id)
    elif audio.processing_status == ProcessingStatus.PENDING:
        _finish(audio, _made(audio))


def give_up(**file: Any) -> None:
    """Marks an audio whose file could not be made, so that nobody waits for it in vain."""
    uploaded = File(**file)
    if audio := _kept(_organization_id(uploaded), _audio_id(uploaded)):
        _finish(audio, _failure(GAVE_UP))


def _completed(upload: Upload) -> LibraryAudio | None:
    """The row of an upload that had none, its file whole in its place. A job is sent ahead that
    adds the row if a crash comes between the two.
    """
    if upload.status is Status.UPLOADING:
        _ask_worker(upload.file, delay_seconds=intake.LOOKED_AFTER_SECONDS)
    uploads.complete(upload)
    return _added(upload.file)


def _added(file: File) -> LibraryAudio | None:
    """The file's row; None without a file, as it is before the upload is completed, and once the
    audio was deleted.
    """
    if not objects.exists(settings.library().audio_bucket, file.key):
        return None
    audio = intake.new_audio(
        _organization_id(file),
        _audio_id(file),
        NewAudio.model_validate(file.details),
        name=file.name,
        file_size=file.size,
        processing_status=ProcessingStatus.PENDING,
    )
    return intake.keep(audio)


def _ask_worker(file: File, *, delay_seconds: int = 0) -> None:
    queues.send(
        settings.library().jobs_queue_url,
        {"type": "normalise_audio", **file.model_dump()},
        delay_seconds=delay_seconds,
    )


def _made(audio: LibraryAudio) -> dict[str, Any]:
    """Makes and stores the audio's file; what its row is to say of that."""
    bucket = settings.library().audio_bucket
    original = service.original_key(audio.organization_id, audio.id)
    with tempfile.TemporaryFile() as made:
        try:
            facts = normalise.normalise(
                lambda: objects.stream(bucket, original), made, limits=normalise.in_the_worker()
            )
        except MediaError as error:
            logger.info("upload is no audio", audio_id=str(audio.id), reason=str(error))
            return _failure(str(error))
        intake.store_made(audio, made, facts)
    return intake.made_of(facts)


def _failure(reason: str) -> dict[str, Any]:
    return {"processing_status": ProcessingStatus.FAILED, "processing_error": reason}


def _finish(audio: LibraryAudio, values: dict[str, Any]) -> None:
    """Of an audio that was deleted meanwhile, nothing is left."""

    def write(session: Session) -> LibraryAudio | None:
        store.finish(session, audio.id, values)
        return store.get(session, audio.organization_id, audio.id)

    if database.transaction(write) is None:
        _remove_made(audio.organization_id, audio.id)


def _remove_made(own: UUID, audio_id: UUID) -> None:
    """Not the original, which may be just arriving, and is removed by whoever deletes the audio."""
    made = service.processed_key(own, audio_id), service.waveform_key(own, audio_id)
    objects.delete_many(settings.library().audio_bucket, made)


def _kept(own: UUID, audio_id: UUID) -> LibraryAudio | None:
    return database.transaction(lambda session: store.get(session, own, audio_id))


def _find(caller: Principal, upload_id: str) -> Upload:
    return uploads.find(caller, upload_id, purpose=_PURPOSE)


def _organization_id(file: File) -> UUID:
    """It is in the key that the file goes to, as the audio's is."""
    return UUID(file.key.split("/")[-3])


def _audio_id(file: File) -> UUID:
    return UUID(file.key.split("/")[-2])
