"""The feed: a page of memories costs what is on it, however many its owner has."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import case, cast, func, select, true, tuple_
from sqlalchemy.dialects.postgresql import TSQUERY

from audioapi import database
from audioapi.clock import iso
from audioapi.memories.models import SEARCH_CONFIGURATION, Memory, WorldMMSegment
from audioapi.memories.store import owned

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Row, Select, Subquery

    from audioapi.memories.models import Owner

TRANSCRIPT_CHARACTERS = 300
"""How much of a transcript the feed shows."""


class Position(NamedTuple):
    """A memory's place in the feed, which nothing that is added or removed changes."""

    recorded_at: datetime
    memory_id: str

    def cursor(self) -> str:
        text = f"{self.recorded_at.astimezone(UTC).isoformat()}|{self.memory_id}"
        return base64.urlsafe_b64encode(text.encode()).decode()

    @classmethod
    def of(cls, cursor: str) -> Position:
        """Raises ValueError for what is no cursor."""
        text = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode()
        moment, _, memory_id = text.partition("|")
        recorded_at = datetime.fromisoformat(moment)
        if recorded_at.tzinfo is None or "\0" in memory_id:
            raise ValueError(cursor)
        try:
            return cls(recorded_at.astimezone(UTC), memory_id)
        except OverflowError as error:  # of the year 1 or 9999, and in UTC of another
            raise ValueError(cursor) from error


def page(
    owner: Owner, *, limit: int, after: Position | None, search: str = ""
) -> tuple[list[Memory], Position | None]:
    """Up to `limit` memories that stand behind `after`, and the last one's position if more follow.

    `search` is what people type into search engines: words, "phrases", -exclusions, or.
    https://www.postgresql.org/docs/current/textsearch-controls.html#TEXTSEARCH-PARSING-QUERIES
    """
    heads = _matching(owner, after, search) if search else _newest(owner, after)
    statement = _summaries(owner, heads.limit(limit + 1).subquery())
    rows = database.transaction(lambda session: session.execute(statement).all())
    shown = rows[:limit]
    more = Position(shown[-1].recorded_at, shown[-1].memory_id) if len(rows) > limit else None
    return [_memory(row) for row in shown], more


def _newest(owner: Owner, after: Position | None) -> Select[datetime, str]:
    """Positions, newest first. Each step finds the next memory by one descent of the index, past
    all windows of the one before: PostgreSQL has no skip scan of its own for this.
    https://wiki.postgresql.org/wiki/Loose_indexscan
    """
    first = _positions(owner).limit(1)
    if after:
        first = first.where(_position() < tuple_(*after))
    walk = first.cte("walk", recursive=True)
    step = (
        _positions(owner)
        .where(_position() < tuple_(walk.c.recorded_at, walk.c.memory_id))
        .limit(1)
        .lateral()
    )
    walk = walk.union_all(select(step).select_from(walk.join(step, true())))
    return select(walk.c.recorded_at, walk.c.memory_id)


def _matching(owner: Owner, after: Position | None, search: str) -> Select[datetime, str]:
    """Positions of memories with a matching window, newest first."""
    name = f"{owner.organization_id}/{owner.user_id}"[:500].replace("\\", "\\\\").replace("'", "''")
    matching = (
        _positions(owner)
        .distinct()
        .where(
            WorldMMSegment.search.bool_op("@@")(
                func.websearch_to_tsquery(SEARCH_CONFIGURATION, search)
            ),
            WorldMMSegment.search.bool_op("@@")(cast(f"'{name}'", TSQUERY)),
        )
    )
    return matching.where(_position() < tuple_(*after)) if after else matching


def _positions(owner: Owner) -> Select[datetime, str]:
    newest_first = WorldMMSegment.recorded_at.desc(), WorldMMSegment.memory_id.desc()
    return (
        select(WorldMMSegment.recorded_at, WorldMMSegment.memory_id)
        .where(owned(owner))
        .order_by(*newest_first)
    )


def _position() -> ColumnElement[Any]:
    return tuple_(WorldMMSegment.recorded_at, WorldMMSegment.memory_id)


def _summaries(owner: Owner, heads: Subquery) -> Select[Any]:
    own = owned(owner), _position() == tuple_(heads.c.recorded_at, heads.c.memory_id)
    status = WorldMMSegment.processing_status
    windows = (
        select(
            func.min(WorldMMSegment.start_time).label("start_time"),
            func.max(WorldMMSegment.end_time).label("end_time"),
            func.sum(WorldMMSegment.duration_seconds).label("duration_seconds"),
            func.count().label("windows"),
            case(
                (func.bool_or(status == "pending"), "pending"),
                (func.bool_or(status == "failed"), "failed"),
                else_="complete",
            ).label("processing_status"),
        )
        .where(*own)
        .lateral()
    )
    # With a space between them, so many texts fill what is shown, however short they are.
    texts = (
        select(WorldMMSegment.transcript, WorldMMSegment.start_time, WorldMMSegment.id)
        .where(*own, WorldMMSegment.transcript != "")
        .order_by(WorldMMSegment.start_time, WorldMMSegment.id)
        .limit(TRANSCRIPT_CHARACTERS // 2 + 1)
        .correlate(heads)
        .subquery()
    )
    joined = func.aggregate_strings(texts.c.transcript, " ").aggregate_order_by(
        texts.c.start_time, texts.c.id
    )
    transcript = select(func.left(joined, TRANSCRIPT_CHARACTERS + 1)).scalar_subquery()
    return (
        select(heads, windows, transcript.label("transcript"))
        .join(windows, true())
        .order_by(heads.c.recorded_at.desc(), heads.c.memory_id.desc())
    )


def _memory(row: Row[Any]) -> Memory:
    transcript = row.transcript
    if transcript and len(transcript) > TRANSCRIPT_CHARACTERS:
        transcript = transcript[: TRANSCRIPT_CHARACTERS - 1] + "…"
    return Memory(
        memory_id=row.memory_id,
        start_time=iso(row.start_time),
        end_time=iso(row.end_time),
        duration_seconds=row.duration_seconds,
        windows=row.windows,
        processing_status=row.processing_status,
        transcript=transcript,
    )
