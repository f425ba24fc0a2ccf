"""How audio comes into the library: checked, normalised for telephony, stored whole or not at all.

The row is written last. What a crash leaves before that is a folder that no row knows, so a job is
sent ahead that looks for the row later, and removes the folder if there is none.
"""

from __future__ import annotations

import json
import re
import tempfile
import uuid
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError

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
from audioapi.media.errors import MediaError
from audioapi.problems import (
    FileTooLargeError,
    ForbiddenError,
    InvalidRequestError,
    UnsupportedMediaError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO
    from uuid import UUID

    from audioapi.forms import Form, FormFile
    from audioapi.identity import Principal
    from audioapi.library.models import AudioResponse
    from audioapi.library.normalise import Normalised

TIDY_AFTER_SECONDS = 120  # longer than an upload may take
_MB = 1024 * 1024
_LONGEST_NAME = 255
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def upload(caller: Principal, form: Form) -> AudioResponse:
    """A new audio of the caller's organisation, its file made.

    Raises InvalidRequestError, FileTooLargeError or UnsupportedMediaError before anything is kept.
    """
    own = service.organization_of(caller, "write")
    file, wanted = _checked(form), described(form)
    audio = new_audio(own, uuid.uuid4(), wanted, name=file.name, size=file.size)
    expect_row(own, audio.id)
    with tempfile.TemporaryFile() as made:
        try:
            facts = normalise.normalise(lambda: blocks(file.data), made)
        except MediaError as error:
            raise UnsupportedMediaError(f"file: {error}", field="file") from error
        bucket = settings.library().audio_bucket
        objects.put_file(bucket, service.original_key(own, audio.id), file.data)
        store_made(audio, made, facts)
    for name, value in made_of(facts).items():
        setattr(audio, name, value)
    return keep(audio)


def described(form: Form) -> NewAudio:
    """The form's fields beside the file. Raises InvalidRequestError, which names the field."""
    given: dict[str, Any] = {
        name: value
        for name in ("title", "description", "usageType")
        if (value := form.one(name)) is not None
    }
    if "tags" in form.fields:
        given["tags"] = tags(form.fields["tags"])
    try:
        return NewAudio.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise InvalidRequestError(f"{field}: {first['msg']}", field=field) from error


def tags(given: list[str]) -> list[str]:
    """Tags as forms send them: a JSON array, separated by commas, or one a field."""
    if len(given) > 1 or not given[0].lstrip().startswith("["):
        return service.separated(given)
    try:
        found = json.loads(given[0])
    except ValueError as error:
        raise InvalidRequestError("tags: malformed JSON", field="tags") from error
    if not all(isinstance(tag, str) for tag in found):
        raise InvalidRequestError("tags: an array of strings is needed", field="tags")
    return list(found)


def file_name(given: str) -> str:
    """The name that a file had where it came from, without folders and what can't be shown."""
    last = _UNPRINTABLE.sub("", given).replace("\\", "/").rpartition("/")[2].strip()
    return last[-_LONGEST_NAME:] if last.strip(".") else "audio"


def new_audio(own: UUID, audio_id: UUID, wanted: NewAudio, *, name: str, size: int) -> LibraryAudio:
    """The row of an audio whose file is still to be made; until then the file is what was sent."""
    name = file_name(name)
    stem = PurePosixPath(name).stem
    title = wanted.title or stem
    return LibraryAudio(
        id=audio_id,
        organization_id=own,
        title=title,
        description=wanted.description,
        usage_type=wanted.usage_type,
        tags=wanted.tags,
        search_text=store.search_text(title, wanted.description, wanted.tags),
        original_file_name=name,
        processing_status=ProcessingStatus.PENDING,
        file_id=uuid.uuid5(audio_id, "file"),
        file_name=f"{stem}_processed.wav",
        content_type=PROCESSED_TYPE,
        file_size=size,
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
    objects.put_file(
        bucket,
        service.processed_key(audio.organization_id, audio.id),
        made,
        content_type=PROCESSED_TYPE,
    )
    key = service.waveform_key(audio.organization_id, audio.id)
    objects.put(bucket, key, facts.waveform, content_type="application/json")


def keep(audio: LibraryAudio) -> AudioResponse:
    """Adds the row, once. Raises ForbiddenError if the library doesn't know the organisation."""
    try:
        kept = database.transaction(lambda session: store.add(session, audio))
    except IntegrityError as error:
        raise ForbiddenError("This credential's organization has no library") from error
    return service.response(kept)


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    return iter(lambda: file.read(_MB), b"")


def expect_row(own: UUID, audio_id: UUID) -> None:
    """Has somebody look later whether there is a row, and remove what an upload left if not."""
    queues.send(
        settings.library().jobs_queue_url,
        {"type": "tidy_library", "organization_id": str(own), "audio_id": str(audio_id)},
        delay_seconds=TIDY_AFTER_SECONDS,
    )


def tidy(organization_id: str, audio_id: str) -> None:
    """Removes what an upload left that never came to its row."""
    own, audio = uuid.UUID(organization_id), uuid.UUID(audio_id)
    if database.transaction(lambda session: store.get(session, own, audio)) is None:
        bucket = settings.library().audio_bucket
        objects.delete_many(bucket, objects.keys(bucket, service.folder(own, audio)))


def _checked(form: Form) -> FormFile:
    file, limit = form.file("file"), settings.library().max_file_size_mb
    if file.size > limit * _MB:
        raise FileTooLargeError(limit, field="file")
    if file.size == 0:
        raise InvalidRequestError("file: it is empty", field="file")
    return file
