"""Memories' rows: found for their owner, written for a recording, removed with what they stand for.

What adds or removes rows does so for one owner at a time, so that work on a recording that is done
twice, or while its memories are deleted, leaves no row behind that nobody takes care of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Text, cast, delete, func, inspect, literal, or_, select, true, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from audioapi import database, tenants
from audioapi.memories.models import DeletedMemory, WorldMMSegment, audio_key, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
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


class Doomed(NamedTuple):
    """Segments that are deleted, of which recording, if of any, and whether it has no others."""

    segments: list[Segment]
    recording_id: str | None
    whole: bool

    @property
    def windows(self) -> set[int]:
        """Indexes of those that are a recording's windows."""
        indexes = (segment.source_window_index for segment in self.segments)
        return {index for index in indexes if index is not None}


ALL = -1
"""In place of a window's index."""

_COLUMNS = [getattr(WorldMMSegment, name) for name in Segment._fields]


def owned(owner: Owner) -> ColumnElement[bool]:
    return (WorldMMSegment.organization_id == owner.organization_id) & (
        WorldMMSegment.user_id == owner.user_id
    )


def find(owner: Owner, memory_id: str) -> Segment | None:
    """The first segment of the owner's session of that id, else their segment of that id."""
    found = database.transaction(lambda session: _find(session, owner, memory_id, limit=1))
    return found[0] if found else None


def remove(owner: Owner, memory_id: str, first: Callable[[Doomed], int]) -> int:
    """Removes all segments of the owner's session of that id, else their segment of that id, after
    `first` removed what can't be found without them; how many there were. `first` runs inside the
    transaction, while the owner's other work waits, and again if that is tried again. It gives back
    when they are deleted, in epoch milliseconds: what was asked for until then writes them no more.
    """
    deleted = 0

    def work(session: Session) -> int:
        nonlocal deleted
        _wait_for_turn(session, owner)
        found = _find(session, owner, memory_id, limit=None)
        deleted = len(found) or deleted  # none are left if only the commit's answer was lost
        if found:
            doomed = _doomed(session, owner, found)
            _note_deleted(session, owner, doomed, at=first(doomed))
            ids = [segment.id for segment in found]
            session.execute(delete(WorldMMSegment).where(WorldMMSegment.id.in_(ids)))
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


def complete(recording: Recording, windows: Sequence[Window]) -> bool:
    """Makes these windows the recording's, all at once, but for those that were deleted while the
    work was done. They are all of them if the recording has no row at all. Whether any is left.
    """
    any_row = select(WorldMMSegment.id).where(_of(recording)).limit(1)

    def work(session: Session) -> bool:
        _wait_for_turn(session, recording)
        if session.scalar(any_row) is None:
            return False
        if left := _left(session, recording, windows):
            session.execute(_put(recording), _rows(recording, left, status="complete"))
        session.execute(
            delete(WorldMMSegment).where(
                _of(recording),
                WorldMMSegment.source_window_index >= len(windows),
                WorldMMSegment.processing_status != "complete",
            )
        )
        return session.scalar(any_row) is not None

    return database.transaction(work)


def tidy(recording: Recording, remove: Callable[[Collection[int]], None]) -> None:
    """Has the audio removed of windows that were deleted, by their index, or of ALL of them: work
    that went on meanwhile may have stored it again. `remove` runs inside the transaction, so that
    nobody who was asked for them since stores them at that moment.
    """

    def work(session: Session) -> None:
        _wait_for_turn(session, recording)
        index = WorldMMSegment.source_window_index
        there = set(session.scalars(select(index).where(_of(recording))))
        gone = _deleted(session, recording)
        if doomed := ({ALL} if gone >= {ALL} and not there else gone - there - {ALL}):
            remove(doomed)

    database.transaction(work)


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


def _doomed(session: Session, owner: Owner, segments: list[Segment]) -> Doomed:
    """They are of one recording: its windows, or one of them."""
    recording_id, ids = segments[0].source_session_id, [segment.id for segment in segments]
    others = select(WorldMMSegment.id).where(
        owned(owner),
        WorldMMSegment.source_session_id == recording_id,
        WorldMMSegment.id.not_in(ids),
    )
    return Doomed(segments, recording_id, whole=session.scalar(others.limit(1)) is None)


def _note_deleted(session: Session, owner: Owner, doomed: Doomed, *, at: int) -> None:
    """For whoever works on the recording still."""
    if doomed.recording_id is None:
        return
    for window in {ALL} if doomed.whole else doomed.windows:
        noting = insert(DeletedMemory).values(
            organization_id=owner.organization_id,
            user_id=owner.user_id,
            source_session_id=doomed.recording_id,
            source_window_index=window,
            deleted_at=moment(at),
        )
        keys = list(inspect(DeletedMemory).primary_key)
        again = {"deleted_at": func.greatest(DeletedMemory.deleted_at, moment(at))}
        session.execute(noting.on_conflict_do_update(index_elements=keys, set_=again))


def _left(session: Session, recording: Recording, windows: Sequence[Window]) -> list[Window]:
    """The windows that were not deleted since the recording was asked for."""
    gone = _deleted(session, recording)
    return [w for w in windows if not gone & {ALL, w.source_window_index}]


def _deleted(session: Session, recording: Recording) -> set[int]:
    """Windows, or ALL, that were deleted since the recording was asked for."""
    deleted = select(DeletedMemory.source_window_index).where(
        DeletedMemory.organization_id == recording.organization_id,
        DeletedMemory.user_id == recording.user_id,
        DeletedMemory.source_session_id == recording.session_id,
        DeletedMemory.deleted_at >= recording.asked,
    )
    return set(session.scalars(deleted))


def _wait_for_turn(session: Session, owner: Owner) -> None:
    """Until the transaction's end. A proxy shares its connections in spite of this kind of lock.
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-pinning.html
    """
    name = f"memories {tenants.key(owner.organization_id, owner.user_id)}"
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
