"""What callers do with their memories: play, list, search, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from audioapi import objects, settings
from audioapi.identity import required
from audioapi.memories import audio as window_audio
from audioapi.memories import feed, store
from audioapi.memories.models import Deleted, MemoryAudio, MemoryPage, audio_key
from audioapi.problems import AudioNotFoundError, InvalidRequestError, MemoryNotFoundError

if TYPE_CHECKING:
    from audioapi.identity import Principal
    from audioapi.memories.models import Owner
    from audioapi.memories.store import Doomed, Segment


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


class Works(Protocol):
    """Those who work on recordings, and keep more of them than their windows."""

    def __call__(self, owner: Owner, recording_id: str, *, whole: bool) -> int:
        """Has them remove what they keep, if the `whole` recording is deleted; when they were asked
        last to work on it, in epoch milliseconds. May be called again.
        """


def delete(principal: Principal | None, memory_id: str, *, works: Works, now: int) -> Deleted:
    """Removes a session's segments, or the one segment, and their audio; with the last segment of a
    recording, all that `works` keep of it. `now` is when the gateway was asked, epoch milliseconds.

    Raises MemoryNotFoundError, for somebody else's memory too.
    """
    caller = required(principal)
    caller.require("write")

    def first(doomed: Doomed) -> int:
        if doomed.recording_id is None:
            return now
        windows = {store.ALL} if doomed.whole else doomed.windows
        window_audio.remove(doomed.recording_id, windows)
        asked_at = works(caller, doomed.recording_id, whole=doomed.whole)
        return max(now, asked_at)  # who asked later may have been faster

    deleted = store.remove(caller, memory_id, first) if _can_be_kept(memory_id) else 0
    if not deleted:
        raise MemoryNotFoundError
    return Deleted(deleted=deleted)


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
