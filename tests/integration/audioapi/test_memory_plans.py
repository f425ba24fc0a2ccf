"""Each query has its index, and a page's cost is the page's, not that of its owner's history."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg2
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, event

from audioapi import database
from audioapi.identity import Principal
from audioapi.memories import feed, service, store, windows
from audioapi.memories.models import Recording, WorldMMSegment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TABLE = WorldMMSegment.__tablename__
SESSIONS = 600
WINDOWS = 20
OWNER = Principal(uuid4().hex, uuid4().hex)
STRANGER = Principal(uuid4().hex, uuid4().hex)

FILL = f"""
    INSERT INTO world_mm_segments (
        id, organization_id, user_id, source_session_id, source_window_index, start_time, end_time,
        duration_seconds, processing_status, transcript, recorded_at
    )
    SELECT
        gen_random_uuid(), %(organization_id)s, %(user_id)s, %(user_id)s || session, w,
        began + w * interval '30 s', began + (w + 1) * interval '30 s', 30, 'complete',
        CASE WHEN session %% 100 = 0 THEN 'rare ' ELSE '' END || md5(session::text || w), began
    FROM
        generate_series(1, {SESSIONS}) session,
        generate_series(0, {WINDOWS - 1}) w,
        LATERAL (SELECT timestamptz '2026-01-01' + session * interval '1 h' AS began) at
"""  # noqa: S608 - its numbers are ours


@pytest.fixture(scope="module")
def _history(database_url: str) -> None:
    """12,000 windows of each of two people."""
    with closing(psycopg2.connect(database_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for who in (OWNER, STRANGER):
                owner = {"organization_id": who.organization_id, "user_id": who.user_id}
                cursor.execute(FILL, owner)
            cursor.execute("VACUUM ANALYZE world_mm_segments")


pytestmark = [
    pytest.mark.usefixtures("database_secret", "_history"),
    pytest.mark.xdist_group("memory-plans"),  # what it takes to fill a table, once
]


def plans(ask: Callable[[], Any], *, run: bool = True) -> list[dict[str, Any]]:
    """How PostgreSQL carries out what `ask` asks it, one plan a statement."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        asked.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    explain = f"EXPLAIN (FORMAT JSON, ANALYZE {run}) "

    def work(session: Any) -> list[dict[str, Any]]:
        query = session.connection().exec_driver_sql
        return [query(explain + one, values).scalar_one()[0]["Plan"] for one, values in asked]

    return database.transaction(work)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def scans(plan: dict[str, Any]) -> set[str]:
    """Indexes that are used; other ways through the table by their own name."""
    return {
        node.get("Index Name", node["Node Type"])
        for node in nodes(plan)
        if "Index Name" in node or node["Node Type"] == "Seq Scan"
    }


def rows_read(plan: dict[str, Any]) -> int:
    """Of the table or its indexes."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes(plan)
        if "Index Name" in node
    )


def page(cursor: str | None = None, search: str | None = None) -> Any:
    return service.own_memories(OWNER, limit=20, cursor=cursor, search=search)


def test_a_session_is_looked_up_by_its_first_window() -> None:
    [plan] = plans(lambda: store.find(OWNER, f"{OWNER.user_id}17"))
    assert scans(plan) == {"world_mm_segments_lookup_idx"}
    assert rows_read(plan) == 1


def test_a_segment_is_looked_up_by_its_id() -> None:
    of_session, by_id = plans(lambda: store.find(OWNER, "nobody's"))
    assert scans(of_session) == {"world_mm_segments_lookup_idx"}
    assert scans(by_id) == {"world_mm_segments_pkey"}


def test_a_page_reads_what_is_on_it_wherever_it_is() -> None:
    oldest = feed.Position.of(page().next_cursor)._replace(memory_id="")
    oldest = oldest._replace(recorded_at=oldest.recorded_at.replace(month=1, day=3))
    for cursor in (None, page().next_cursor, oldest.cursor()):
        assert len(page(cursor).memories) == 20
        [plan] = plans(partial(page, cursor))
        assert scans(plan) == {"world_mm_segments_feed_idx"}
        found, summed, transcribed = 1, WINDOWS, WINDOWS
        # Averages over loops are rounded.
        assert rows_read(plan) == pytest.approx(21 * (found + summed + transcribed), rel=0.01)


def test_what_is_said_rarely_is_found_by_the_search_index() -> None:
    assert len(page(search="rare").memories) == SESSIONS // 100
    [plan] = plans(lambda: page(search="rare"))
    assert scans(plan) == {"world_mm_segments_search_idx", "world_mm_segments_feed_idx"}
    [found] = [n for n in nodes(plan) if n.get("Index Name") == "world_mm_segments_search_idx"]
    assert found["Actual Rows"] == SESSIONS // 100 * WINDOWS  # and none of the stranger's


def test_a_recordings_rows_are_written_by_its_own() -> None:
    recorded = Recording(f"{OWNER.user_id}17", OWNER.organization_id, OWNER.user_id, 0, 0)
    for write in (lambda: windows.fail(recorded), lambda: windows.set_transcript(recorded, [])):
        [plan] = plans(write, run=False)
        assert scans(plan) <= {
            "world_mm_segments_lookup_idx",
            "world_mm_segments_session_window_key",
        }


def test_the_migration_makes_what_the_model_says(database_url: str) -> None:
    with database.unpooled(database_url).connect() as connection:
        ours = {"include_name": lambda name, kind, _: kind != "table" or name == TABLE}
        context = MigrationContext.configure(connection, opts=ours)
        differences = compare_metadata(context, WorldMMSegment.metadata)
    assert [found for found in differences if TABLE in str(found)] == []
