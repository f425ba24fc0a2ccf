"""What callers do with their organisation's library."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from botocore.exceptions import ClientError

from audioapi import database, objects, settings
from audioapi.library import store
from audioapi.library.models import (
    AudioFile,
    AudioListResponse,
    AudioResponse,
    AudioWithRelationsResponse,
    LibraryAudio,
    OrganizationResponse,
    PaginationMeta,
    PlaybackUrlResponse,
    ProcessingStatus,
)
from audioapi.problems import AudioNotFoundError, ConflictError, ForbiddenError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session

    from audioapi.identity import Principal
    from audioapi.library.models import UpdateAudioRequest


T = TypeVar("T")
Found = TypeVar("Found")

MOST_OF_USAGE = 1000
"""Audios; they make about 0.7 MB of the 6 MB that a function may answer with."""


def folder(organization_id: UUID, audio_id: UUID) -> str:
    """Where everything of an audio is, and nothing else."""
    return f"library/{organization_id}/{audio_id}/"


def original_key(organization_id: UUID, audio_id: UUID) -> str:
    return folder(organization_id, audio_id) + "original"


def processed_key(organization_id: UUID, audio_id: UUID) -> str:
    return folder(organization_id, audio_id) + "processed.wav"


def waveform_key(organization_id: UUID, audio_id: UUID) -> str:
    return folder(organization_id, audio_id) + "waveform.json"


def organization_of(caller: Principal, scope: str) -> UUID:
    """Whose library the caller may read or write. Raises ForbiddenError if the credential lacks the
    scope, or names no organisation that could have one.
    """
    caller.require(scope)
    try:
        return UUID(caller.organization_id)
    except ValueError as error:
        raise ForbiddenError("This credential's organization has no library") from error


def page(  # noqa: PLR0913 — by keyword, and each is a parameter of the query
    caller: Principal,
    *,
    page: int,
    limit: int,
    organization_id: UUID | None = None,
    search: str | None = None,
    usage_type: str | None = None,
    tags: Sequence[str] = (),
    sort_by: str = "createdAt",
    descending: bool = True,
) -> AudioListResponse:
    """A page of the caller's library; another organisation's is empty, as if it had none."""
    own = organization_of(caller, "read")
    text = search.strip() if search else None
    wanted = store.Wanted(own, text or None, usage_type, tags, sort_by, descending)

    def read(session: Session) -> tuple[list[AudioResponse], int]:
        found = store.page(session, wanted, offset=(page - 1) * limit, limit=limit)
        return [response(audio) for audio in found], store.count(session, wanted)

    visible = organization_id in (None, own)
    data, total = database.transaction(read) if visible else ([], 0)
    pages = math.ceil(total / limit)
    return AudioListResponse(
        data=data,
        meta=PaginationMeta(
            page=page,
            limit=limit,
            total=total,
            total_pages=pages,
            has_next_page=page < pages,
            has_previous_page=page > 1,
        ),
    )


def of_usage(caller: Principal, usage_type: str) -> tuple[list[AudioResponse], bool]:
    """The caller's newest audios of one usage, as many as an answer holds, and whether that is all.

    The list goes on with `page`, in the same order.
    """
    wanted = store.Wanted(organization_of(caller, "read"), usage_type=usage_type)

    def read(session: Session) -> list[AudioResponse]:
        found = store.page(session, wanted, offset=0, limit=MOST_OF_USAGE + 1)
        return [response(audio) for audio in found]

    found = database.transaction(read)
    return found[:MOST_OF_USAGE], len(found) <= MOST_OF_USAGE


def metadata(caller: Principal, audio_id: UUID) -> AudioResponse:
    return _own(organization_of(caller, "read"), audio_id, response)


def details(caller: Principal, audio_id: UUID) -> AudioWithRelationsResponse:
    """The same with its organisation."""
    own = organization_of(caller, "read")
    return _of(
        lambda session: store.get_with_organization(session, own, audio_id),
        lambda found: AudioWithRelationsResponse(
            **_fields(found[0]), organization=OrganizationResponse.model_validate(found[1])
        ),
    )


def update(caller: Principal, audio_id: UUID, wanted: UpdateAudioRequest) -> AudioResponse:
    """Changes what was given, and leaves the rest."""
    own = organization_of(caller, "write")
    given = {name: getattr(wanted, name) for name in wanted.model_fields_set}
    return _of(lambda session: store.change(session, own, audio_id, given), response)


def delete(caller: Principal, audio_id: UUID) -> None:
    """Removes the row and all objects. What fails or crashes half-way leaves the row, so that it
    can be done again; a worker that makes the file waits for the row, and then tidies up.
    """
    own = organization_of(caller, "write")
    _own(own, audio_id, lambda audio: audio.id)
    bucket = settings.library().audio_bucket

    def remove(session: Session) -> None:
        store.remove(session, own, audio_id)
        objects.delete_all(bucket, folder(own, audio_id))

    database.transaction(remove)


def playback_url(caller: Principal, audio_id: UUID, *, seconds: int) -> PlaybackUrlResponse:
    """A presigned URL of the processed file. Raises ConflictError while there is none."""
    audio = playable(caller, audio_id)
    key = processed_key(audio.organization_id, audio.id)
    url = objects.presigned_url(settings.library().audio_bucket, key, seconds=seconds)
    return PlaybackUrlResponse(
        id=audio_id,
        playback_url=url,
        expires_in=seconds,
        expires_at=datetime.now(UTC) + timedelta(seconds=seconds),
    )


def waveform(caller: Principal, audio_id: UUID) -> str:
    """The peaks of the processed file, JSON. Raises ConflictError while there is none."""
    audio = playable(caller, audio_id)
    return read_object(waveform_key(audio.organization_id, audio.id)).decode()


def playable(caller: Principal, audio_id: UUID) -> LibraryAudio:
    """An audio whose file is made. Raises ConflictError for one whose file isn't."""
    return _own(organization_of(caller, "read"), audio_id, _playable)


def read_object(key: str, *, byte_range: str | None = None) -> bytes:
    """Raises AudioNotFoundError for what is gone, as while the audio is being deleted."""
    try:
        return objects.read(settings.library().audio_bucket, key, byte_range=byte_range)
    except ClientError as error:
        if objects.is_missing(error):
            raise AudioNotFoundError from error
        raise


def separated(tags: Sequence[str]) -> list[str]:
    """Tags that came repeated, separated by commas, or both."""
    return [tag for given in tags for tag in map(str.strip, given.split(",")) if tag]


def response(audio: LibraryAudio) -> AudioResponse:
    return AudioResponse(**_fields(audio))


def _own(own: UUID, audio_id: UUID, view: Callable[[LibraryAudio], T]) -> T:
    return _of(lambda session: store.get(session, own, audio_id), view)


def _of(find: Callable[[Session], Found | None], view: Callable[[Found], T]) -> T:
    """A view of what is found, for another's as for none: raises AudioNotFoundError."""

    def work(session: Session) -> T:
        found = find(session)
        if found is None:
            raise AudioNotFoundError
        return view(found)

    return database.transaction(work)


def _fields(audio: LibraryAudio) -> dict[str, Any]:
    complete = audio.processing_status == ProcessingStatus.COMPLETE
    return {
        "id": audio.id,
        "title": audio.title,
        "description": audio.description,
        "usage_type": audio.usage_type,
        "tags": audio.tags,
        "duration_seconds": audio.duration_seconds,
        "sample_rate": audio.sample_rate,
        "channels": audio.channels,
        "bit_depth": audio.bit_depth,
        "organization_id": audio.organization_id,
        "original_file_name": audio.original_file_name,
        "created_at": audio.created_at,
        "updated_at": audio.updated_at,
        "file": AudioFile(
            id=audio.file_id,
            name=audio.file_name,
            content_type=audio.content_type,
            file_size=audio.file_size,
            checksum=audio.checksum,
        ),
        "processing_status": None if complete else audio.processing_status,
        "processing_error": audio.processing_error,
    }


def _playable(audio: LibraryAudio) -> LibraryAudio:
    if audio.processing_status != ProcessingStatus.COMPLETE:
        raise ConflictError(
            audio.processing_error or "The file is not made yet",
            processingStatus=audio.processing_status,
        )
    return audio
