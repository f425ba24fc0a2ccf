"""What callers do with their memories: play, list, search, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioapi import objects, settings
from audioapi.identity import required
from audioapi.memories import feed, store
from audioapi.memories.models import Deleted, MemoryAudio, MemoryPage, audio_key
from audioapi.problems import AudioNotFoundError, InvalidRequestError, MemoryNotFoundError

if TYPE_CHECKING:
    from audioapi.identity import Principal
    from audioapi.memories.store import Segment


def audio(principal: Principal | None, memory_id: str) -> MemoryAudio:
    """Where the first window of a session, or one segment, is to be had, once it is complete.

    Raises MemoryNotFoundError, for somebody else's memory too, and AudioNotFoundError.
    """
    caller = required(principal)
    caller.require("read")
    found = store.find(caller, memory_id) if _can_be_kept(memory_id) else None
    if found is None:
        raise MemoryNotFoundError
    key = _key(found)
    if key is None:
        raise AudioNotFoundError
    return MemoryAudio(
        presigned_url=_url(key) if found.processing_status == "complete" else None,
        duration_seconds=found.duration_seconds,
        processing_status=found.processing_status,
    )


def own_memories(
    principal: Principal | None, *, limit: int, cursor: str | None, search: str | None
) -> MemoryPage:
    """The caller's memories, newest first; with `search`, those with a window that matches."""
    caller = required(principal)
    caller.require("read")
    search = search.strip() if search else ""
    if not _can_be_kept(search):
        raise InvalidRequestError("search must be text without NUL", field="search")
    try:
        after = None if cursor is None else feed.Position.of(cursor)
    except ValueError as error:
        raise InvalidRequestError(
            "cursor must be a next_cursor of an earlier page", field="cursor"
        ) from error
    memories, more = feed.page(caller, limit=limit, after=after, search=search)
    return MemoryPage(memories=memories, next_cursor=more.cursor() if more else None)


def delete(principal: Principal | None, memory_id: str) -> Deleted:
    """Removes a session's segments, or the one segment, and their audio.

    Raises MemoryNotFoundError, for somebody else's memory too.
    """
    caller = required(principal)
    caller.require("write")
    deleted = store.remove(caller, memory_id, _delete_audio) if _can_be_kept(memory_id) else 0
    if not deleted:
        raise MemoryNotFoundError
    return Deleted(deleted=deleted)


def _delete_audio(segments: list[Segment]) -> None:
    keys = (key for segment in segments if (key := _key(segment)))
    objects.delete_many(settings.memories().audio_bucket, keys)


def _key(segment: Segment) -> str | None:
    """None if it isn't linked to a session's window."""
    if not segment.source_session_id or segment.source_window_index is None:
        return None
    return audio_key(segment.source_session_id, segment.source_window_index)


def _url(key: str) -> str:
    bucket = settings.memories().audio_bucket
    if not objects.exists(bucket, key):
        raise AudioNotFoundError
    return objects.presigned_url(bucket, key)


def _can_be_kept(text: str) -> bool:
    """PostgreSQL's text holds any character but this one."""
    return "\0" not in text
