"""How audio comes into the library: checked, normalised for telephony, stored whole or not at all.

The row is written last. What a crash leaves before that is a folder that no row knows, so a job is
sent ahead that looks for the row later, and removes the folder if there is none.
"""

from __future__ import annotations

import tempfile
import uuid
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from audioapi import database, objects, queues, settings
from audioapi.library import normalise, service, store
from audioapi.library.models import (
    BIT_DEPTH,
    PROCESSED_TYPE,
    TELEPHONY_RATE,
    LibraryAudio,
    NewAudio,
    ProcessingStatus,
)
from audioapi.media.errors import MediaError, TooLargeError, TooLongError, TooSlowError
from audioapi.observe import logger
from audioapi.organizations import Organization
from audioapi.problems import (
    FileTooLargeError,
    ForbiddenError,
    InvalidRequestError,
    UnsupportedMediaError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedRandom
    from typing import IO
    from uuid import UUID

    from audioapi.forms import Form, FormFile
    from audioapi.identity import Principal
    from audioapi.library.models import AudioResponse
    from audioapi.library.normalise import Normalised

LOOKED_AFTER_SECONDS = 60
"""Longer than the functions that expect a row may take, which is 29 s."""
_BLOCK_BYTES = 1024 * 1024
_LONGEST_NAME = 255
_JSON_TAGS = TypeAdapter(list[str])


def upload(caller: Principal, form: Form) -> AudioResponse:
    """A new audio of the caller's organisation, its file made.

    Raises InvalidRequestError, FileTooLargeError or UnsupportedMediaError before anything is kept.
    """
    own = library_of(caller)
    file, wanted = _checked(form), described(form)
    with tempfile.TemporaryFile() as made:
        facts = _normalised(file, made)
        audio = new_audio(own, uuid.uuid4(), wanted, name=file.name, **made_of(facts))
        expect_row(own, audio.id)
        key = service.original_key(own, audio.id)
        objects.put_file(settings.library().audio_bucket, key, file.data)
        store_made(audio, made, facts)
    return service.response(keep(audio))


def described(form: Form) -> NewAudio:
    """The form's fields beside the file; pages send those that are left blank too.
    Raises InvalidRequestError, which names the field.
    """
    given: dict[str, Any] = {
        name: value
        for name in ("title", "description", "usageType")
        if (value := form.one(name)) and value.strip()
    }
    try:
        return NewAudio.model_validate({**given, "tags": tags(form.fields.get("tags", []))})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise InvalidRequestError(f"{field}: {first['msg']}", field=field) from error


def tags(given: list[str]) -> list[str] | None:
    """Tags as forms send them: a JSON array, separated by commas, or one a field. None without."""
    if len(given) != 1 or not given[0].lstrip().startswith("["):
        return service.separated(given) or None
    try:
        return _JSON_TAGS.validate_json(given[0]) or None
    except ValidationError as error:
        raise InvalidRequestError("tags: a JSON array holds strings", field="tags") from error


def file_name(given: str) -> str:
    """The name that a file had where it came from, without folders and what can't be seen."""
    seen = "".join(filter(str.isprintable, given))
    name = seen.replace("\\", "/").rpartition("/")[2].strip()
    return name[-_LONGEST_NAME:] if name.strip(". ") else "audio"


def new_audio(
    own: UUID, audio_id: UUID, wanted: NewAudio, *, name: str, **made: Any
) -> LibraryAudio:
    """The row of an audio; `made` is what it says of its file, as far as that is known."""
    name = file_name(name)
    stem = PurePosixPath(name).stem.strip()
    return LibraryAudio(
        id=audio_id,
        organization_id=own,
        title=wanted.title or stem,
        description=wanted.description,
        usage_type=wanted.usage_type,
        tags=wanted.tags,
        original_file_name=name,
        file_id=uuid.uuid5(audio_id, "file"),
        file_name=f"{stem}_processed.wav",
        content_type=PROCESSED_TYPE,
        **made,
    )


def made_of(facts: Normalised) -> dict[str, Any]:
    """What a row says once its file is made."""
    return {
        "processing_status": ProcessingStatus.COMPLETE,
        "duration_seconds": facts.duration_seconds,
        "sample_rate": TELEPHONY_RATE,
        "channels": 1,
        "bit_depth": BIT_DEPTH,
        "file_size": facts.size,
        "checksum": facts.checksum,
    }


def store_made(audio: LibraryAudio, made: IO[bytes], facts: Normalised) -> None:
    bucket = settings.library().audio_bucket
    processed = service.processed_key(audio.organization_id, audio.id)
    objects.put_file(bucket, processed, made, content_type=PROCESSED_TYPE)
    waveform = service.waveform_key(audio.organization_id, audio.id)
    objects.put(bucket, waveform, facts.waveform, content_type="application/json")


def keep(audio: LibraryAudio) -> LibraryAudio:
    """Adds the row, or finds it if it was added before."""
    return database.transaction(lambda session: store.add(session, audio))


def library_of(caller: Principal) -> UUID:
    """Whose library the caller may write. Raises ForbiddenError if there is none."""
    own = service.organization_of(caller, "write")
    if database.transaction(lambda session: session.get(Organization, own)) is None:
        raise ForbiddenError("This credential's organization has no library")
    return own


def expect_row(own: UUID, audio_id: UUID) -> None:
    """Has somebody look later whether there is a row, and remove what an upload left if not."""
    queues.send(
        settings.library().jobs_queue_url,
        {"type": "tidy_library", "organization_id": str(own), "audio_id": str(audio_id)},
        delay_seconds=LOOKED_AFTER_SECONDS,
    )


def tidy(organization_id: str, audio_id: str) -> None:
    """Removes what an upload left that never came to its row."""
    own, audio = uuid.UUID(organization_id), uuid.UUID(audio_id)
    if database.transaction(lambda session: store.get(session, own, audio)):
        return
    bucket = settings.library().audio_bucket
    left = list(objects.keys(bucket, service.folder(own, audio)))
    objects.delete_many(bucket, left)
    logger.info("no row of an upload", audio_id=audio_id, removed=len(left))


def not_tidied(organization_id: str, audio_id: str) -> None:
    """A folder may be left that no row knows: it costs its storage, and nobody sees it."""
    logger.error("upload not tidied", organization_id=organization_id, audio_id=audio_id)


def _checked(form: Form) -> FormFile:
    file = form.file("file")
    FileTooLargeError.check(file.size, settings.library().max_file_size_mb, field="file")
    if file.size == 0:
        raise InvalidRequestError("file: it is empty", field="file")
    return file


def _normalised(file: FormFile, made: BufferedRandom) -> Normalised:
    try:
        return normalise.normalise(lambda: _blocks(file.data), made, limits=normalise.IN_A_REQUEST)
    except (TooLongError, TooLargeError, TooSlowError) as error:
        reason = f"file: {error}, too much for one request; a direct upload may hold more"
        raise UnsupportedMediaError(reason, field="file") from error
    except MediaError as error:
        raise UnsupportedMediaError(f"file: {error}", field="file") from error


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    return iter(lambda: file.read(_BLOCK_BYTES), b"")
