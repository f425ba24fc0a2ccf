"""How a direct upload becomes an audio: begun with what that is to be, given its row once the file
is whole, and pending until the worker has normalised it.
"""

from __future__ import annotations

import tempfile
import uuid
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from pydantic import Field

from audioapi import database, objects, queues, settings
from audioapi.library import intake, normalise, service, store
from audioapi.library.models import AudioResponse, LibraryAudio, NewAudio, ProcessingStatus
from audioapi.library.uploads import PURPOSE, LibraryUpload, audio_id_of, find
from audioapi.media.errors import LostSoundError, MediaError
from audioapi.observe import logger
from audioapi.problems import AudioNotFoundError
from audioapi.uploads import service as uploads
from audioapi.uploads.models import UNKNOWN_TYPE, ContentType, File, FileSize, Status, Upload

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from audioapi.identity import Principal

GAVE_UP = "The file could not be made"


class NewUpload(NewAudio):
    """What an audio is to be, with its file's name, size in bytes and type."""

    file_name: Annotated[str, Field(min_length=1, max_length=255)]
    file_size: FileSize
    content_type: ContentType = UNKNOWN_TYPE


def begin(caller: Principal, wanted: NewUpload) -> LibraryUpload:
    """Raises FileTooLargeError, and ForbiddenError if the caller has no library."""
    own = intake.library_of(caller)
    file = File(
        purpose=PURPOSE,
        key=service.original_key(own, uuid.uuid4()),
        name=intake.file_name(wanted.file_name),
        size=wanted.file_size,
        content_type=wanted.content_type,
        details=wanted.model_dump(mode="json", include=set(NewAudio.model_fields)),
    )
    return LibraryUpload.of(uploads.begin(caller, file))


def complete(caller: Principal, upload_id: str) -> AudioResponse:
    """The audio that the upload becomes, its file pending. A second time the same, as it is now.

    Raises ConflictError with `missing_parts`, and AudioNotFoundError once the audio is deleted.
    """
    own = service.organization_of(caller, "write")
    upload = find(caller, upload_id)
    audio = _kept(own, audio_id_of(upload.file)) or _completed(upload)
    if audio is None:
        raise AudioNotFoundError
    if audio.processing_status == ProcessingStatus.PENDING:
        _ask_worker(upload.file)
    return service.response(audio)


def normalise_audio(**file: Any) -> None:
    """The worker's part: makes the file of a pending audio, whose row it adds if the request that
    completed the upload could not. Done twice, it makes the same.
    """
    uploaded = File(**file)
    own, audio_id = _organization_id(uploaded), audio_id_of(uploaded)
    audio = _kept(own, audio_id) or _added(uploaded)
    if audio is None:
        _remove_made(own, audio_id)
    elif audio.processing_status == ProcessingStatus.PENDING:
        _finish(audio, _made(audio))


def give_up(**file: Any) -> None:
    """Marks an audio whose file could not be made, so that nobody waits for it in vain."""
    uploaded = File(**file)
    if audio := _kept(_organization_id(uploaded), audio_id_of(uploaded)):
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
        audio_id_of(file),
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
        except LostSoundError as error:
            logger.error("sound was lost", audio_id=str(audio.id), reason=str(error))
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


def _organization_id(file: File) -> UUID:
    """It is in the key that the file goes to, as the audio's is."""
    return UUID(file.key.split("/")[-3])
