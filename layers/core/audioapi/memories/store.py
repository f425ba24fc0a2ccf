"""Memories' rows: found for their owner, written for a recording, removed with what they stand for.

What adds or removes rows does so for one owner at a time, so that work on a recording that is done
twice, or while its memories are deleted, leaves no row behind that nobody takes care of.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Text, cast, delete, func, inspect, literal, or_, select, true, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from audioapi import database
from audioapi.memories.models import DeletedMemory, WorldMMSegment, audio_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Executable
    from sqlalchemy.dialects.postgresql import Insert
    from sqlalchemy.orm import Session

    from audioapi.memories.models import Owner, ProcessingStatus, Recording


class Segment(NamedTuple):
    """What is read of a row."""

    id: str
    source_session_id: str | None
    source_window_index: int | None
    duration_seconds: float
    processing_status: ProcessingStatus


class Window(NamedTuple):
    """What is written of a recording's window; the names are the columns'."""

    source_window_index: int
    start_time: datetime
    end_time: datetime
    duration_seconds: float


_COLUMNS = [getattr(WorldMMSegment, name) for name in Segment._fields]


def owned(owner: Owner) -> ColumnElement[bool]:
    return (WorldMMSegment.organization_id == owner.organization_id) & (
        WorldMMSegment.user_id == owner.user_id
    )


def find(owner: Owner, memory_id: str) -> Segment | None:
    """The first segment of the owner's session of that id, else their segment of that id."""
    found = database.transaction(lambda session: _find(session, owner, memory_id, limit=1))
    return found[0] if found else None


def remove(owner: Owner, memory_id: str, first: Callable[[list[Segment]], None]) -> int:
    """Removes all segments of the owner's session of that id, else their segment of that id, after
    `first` removed what can't be found without them; how many there were. `first` runs inside the
    transaction, while the owner's other work waits, and again if that is tried again.
    """
    deleted = 0

    def work(session: Session) -> int:
        nonlocal deleted
        _wait_for_turn(session, owner)
        found = _find(session, owner, memory_id, limit=None)
        deleted = len(found) or deleted  # none are left if only the commit's answer was lost
        first(found)
        _note_deleted(session, owner, memory_id, found)
        session.execute(delete(WorldMMSegment).where(WorldMMSegment.id.in_([s.id for s in found])))
        return deleted

    return database.transaction(work)


def add_pending(recording: Recording, windows: Sequence[Window]) -> None:
    """Adds rows that are `pending`, and makes failed ones so again. A recording that is complete
    already stays as it is, and so does what was deleted of it.
    """

    def work(session: Session) -> None:
        _wait_for_turn(session, recording)
        complete = _of(recording) & (WorldMMSegment.processing_status == "complete")
        if session.scalar(select(WorldMMSegment.id).where(complete).limit(1)) is None:
            failed = WorldMMSegment.processing_status == "failed"
            if left := _left(session, recording, windows):
                session.execute(
                    _put(recording, over=failed), _rows(recording, left, status="pending")
                )

    database.transaction(work)


def complete(recording: Recording, windows: Sequence[Window]) -> list[Window]:
    """Makes these windows the recording's, all at once, but for those that were deleted while the
    work was done: these are given back. They are all of them if the recording has no row at all.
    """

    def work(session: Session) -> list[Window]:
        _wait_for_turn(session, recording)
        if session.scalar(select(WorldMMSegment.id).where(_of(recording)).limit(1)) is None:
            return list(windows)
        left = _left(session, recording, windows)
        if left:
            session.execute(_put(recording), _rows(recording, left, status="complete"))
        session.execute(
            delete(WorldMMSegment).where(
                _of(recording),
                WorldMMSegment.source_window_index >= len(windows),
                WorldMMSegment.processing_status != "complete",
            )
        )
        return [window for window in windows if window not in left]

    return database.transaction(work)


def fail_pending(recording: Recording) -> None:
    failing = (
        update(WorldMMSegment)
        .where(_of(recording), WorldMMSegment.processing_status == "pending")
        .values(processing_status="failed")
    )
    _execute(failing)


def put_transcripts(recording: Recording, texts: Mapping[int, str]) -> None:
    """Sets the text of every window, an empty one where `texts`, by window, has none."""
    given = literal(dict(texts), JSONB)
    text = func.coalesce(given[cast(WorldMMSegment.source_window_index, Text)].astext, "")
    writing = (
        update(WorldMMSegment)
        .where(_of(recording), WorldMMSegment.transcript.is_distinct_from(text))
        .values(transcript=text)
    )
    _execute(writing)


def _execute(statement: Executable) -> None:
    def work(session: Session) -> None:
        session.execute(statement)

    database.transaction(work)


def _find(session: Session, owner: Owner, memory_id: str, *, limit: int | None) -> list[Segment]:
    own = select(*_COLUMNS).where(owned(owner))
    of_session = (
        own.where(WorldMMSegment.source_session_id == memory_id)
        .order_by(WorldMMSegment.start_time, WorldMMSegment.id)
        .limit(limit)
    )
    by_id = own.where(WorldMMSegment.id == memory_id)
    found = session.execute(of_session).all() or session.execute(by_id).all()
    return [Segment(*row) for row in found]


_ALL = -1
"""In place of a window's index."""


def _note_deleted(
    session: Session, owner: Owner, memory_id: str, deleted: Sequence[Segment]
) -> None:
    """For whoever works on the recording still. Deleted again, it is so from now on."""
    whole = any(segment.source_session_id == memory_id for segment in deleted)
    windows = {
        (segment.source_session_id, _ALL if whole else segment.source_window_index)
        for segment in deleted
        if segment.source_session_id is not None and segment.source_window_index is not None
    }
    for recording, window in windows:
        noting = insert(DeletedMemory).values(
            organization_id=owner.organization_id,
            user_id=owner.user_id,
            source_session_id=recording,
            source_window_index=window,
        )
        keys = list(inspect(DeletedMemory).primary_key)
        now = {"deleted_at": func.now()}
        session.execute(noting.on_conflict_do_update(index_elements=keys, set_=now))


def _left(session: Session, recording: Recording, windows: Sequence[Window]) -> list[Window]:
    """The windows that were not deleted since the recording was asked for."""
    deleted = select(DeletedMemory.source_window_index).where(
        DeletedMemory.organization_id == recording.organization_id,
        DeletedMemory.user_id == recording.user_id,
        DeletedMemory.source_session_id == recording.session_id,
        DeletedMemory.deleted_at >= recording.asked,
    )
    gone = set(session.scalars(deleted))
    return [w for w in windows if not gone & {_ALL, w.source_window_index}]


def _wait_for_turn(session: Session, owner: Owner) -> None:
    """Until the transaction's end. A proxy shares its connections in spite of this kind of lock.
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-pinning.html
    """
    name = json.dumps(["memories", owner.organization_id, owner.user_id])
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def _of(recording: Recording) -> ColumnElement[bool]:
    return owned(recording) & (WorldMMSegment.source_session_id == recording.session_id)


def _put(recording: Recording, *, over: ColumnElement[bool] | None = None) -> Insert:
    """Adds rows, and writes over those of the same windows where `over` holds. What is the same
    isn't written, so that `updated_at` tells when something changed.
    """
    adding = insert(WorldMMSegment)
    new = {
        name: adding.excluded[name]
        for name in ("recorded_at", "processing_status", *Window._fields[1:])
    }
    differs = or_(
        *(getattr(WorldMMSegment, name).is_distinct_from(value) for name, value in new.items())
    )
    return adding.on_conflict_do_update(
        index_elements=[WorldMMSegment.id],
        set_={**new, "updated_at": func.now()},
        where=_of(recording) & differs & (true() if over is None else over),
    )


def _rows(
    recording: Recording, windows: Sequence[Window], *, status: ProcessingStatus
) -> list[dict[str, object]]:
    """The same recording's same window has the same id, whoever writes it."""
    return [
        {
            "id": str(
                uuid5(NAMESPACE_URL, audio_key(recording.session_id, window.source_window_index))
            ),
            "organization_id": recording.organization_id,
            "user_id": recording.user_id,
            "source_session_id": recording.session_id,
            "processing_status": status,
            "recorded_at": recording.began,
            **window._asdict(),
        }
        for window in windows
    ]
