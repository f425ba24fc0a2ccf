"""A search finds what people mean, and costs what it finds, however much is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from audioapi import database
from audioapi.library import store
from audioapi.library.store import Wanted
from tests.integration.audioapi.library_calls import add, call, organization

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from local.template.model import Stack

ROWS = 20_000


@pytest.fixture
def acme(stack: Stack, database_secret: None) -> UUID:
    return organization("Acme")


def titles(search: str) -> list[str]:
    answer = call("library_list", key="Acme", query=f"search={search}&sortBy=title&sortOrder=asc")
    return [item["title"] for item in answer.body["data"]]


def test_title_description_and_tags_are_searched(acme: UUID) -> None:
    add(acme, "A needle")
    add(acme, "B", description="One Needle more")
    add(acme, "C", tags=["NEEDLES"])
    add(acme, "D", original_file_name="needle.wav")
    assert titles("needle") == titles("NEEDLE") == ["A needle", "B", "C"]


def test_words_are_found_by_their_beginnings_all_of_them_in_any_order(acme: UUID) -> None:
    add(acme, "Welcome to Acme", tags=["hold_music"])
    add(acme, "Welcome back")
    assert titles("wel") == ["Welcome back", "Welcome to Acme"]
    assert titles("acm wel") == titles("welcome,music") == ["Welcome to Acme"]
    assert titles("come") == titles("welcome goodbye") == []


def test_letters_are_those_that_people_see(acme: UUID) -> None:
    add(acme, "Été à la STRASSE")
    add(acme, "مرحبا بكم")
    assert titles("ÉTÉ") == titles("E%CC%81te%CC%81") == titles("straße") == ["Été à la STRASSE"]
    assert titles("مرح") == ["مرحبا بكم"]


def test_signs_between_words_are_no_syntax(acme: UUID) -> None:
    add(acme, "menu-2024.final (take #2): it's 50% | off & on!")
    for search in ("2024.final", "menu-2024", "it's", "%26 on", "(take", "off|on", ":*", "'", "\\"):
        found = titles(search)
        assert len(found) == any(letter.isalnum() for letter in search), search
    for search in ("", "%20%20"):
        assert len(titles(search)) == 1, "which is no search"


def test_a_word_of_any_length_is_kept_and_found(acme: UUID) -> None:
    add(acme, "Long", description="𐍈" * 500)
    assert titles("%F0%90%8D%88" * 100) == ["Long"]


@pytest.fixture(scope="module")
def filled(database_url: str) -> Iterator[tuple[Connection, UUID]]:
    """A library of 20,000 audios, and another as large with the same words."""
    own, other = uuid4(), uuid4()
    engine = database.unpooled(database_url).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(
            text("INSERT INTO organizations (id, name, slug) VALUES (:id, 'Large', :slug)"),
            [{"id": each, "slug": each.hex} for each in (own, other)],
        )
        for each in (own, other):
            connection.execute(text(FILL), {"id": each, "prefix": each.hex, "rows": ROWS})
        connection.execute(text("VACUUM ANALYZE library_audios"))
        yield connection, own
        connection.execute(
            text("DELETE FROM library_audios WHERE organization_id IN (:own, :other)"),
            {"own": own, "other": other},
        )
        connection.execute(text("VACUUM library_audios"))


FILL = """
INSERT INTO library_audios (id, organization_id, title, usage_type, tags, search,
    duration_seconds, processing_status, file_id, file_name, content_type, file_size, created_at)
SELECT gen_random_uuid(), :id, 'Audio ' || n,
    CASE WHEN n % 100 = 0 THEN 'welcome' ELSE 'other' END,
    ARRAY['tag' || n % 1000],
    array_to_tsvector(ARRAY[:prefix || '/audio', :prefix || '/n' || n,
                            :prefix || '/tag' || n % 1000, :prefix || '#tag' || n % 1000]),
    random() * 100, 'complete', gen_random_uuid(), 'a_processed.wav', 'audio/wav', 1000,
    now() - n * interval '1 second'
FROM generate_series(1, :rows) AS n
"""
PLANS: dict[str, tuple[dict[str, Any], str]] = {
    "newest": ({}, "created"),
    "oldest": ({"descending": False}, "created"),
    "by title": ({"sort_by": "title", "descending": False}, "title"),
    "by title, backwards": ({"sort_by": "title"}, "title"),
    "by duration": ({"sort_by": "durationSeconds", "descending": False}, "duration"),
    "by duration, backwards": ({"sort_by": "durationSeconds"}, "duration"),
    "of a usage": ({"usage_type": "welcome"}, "usage"),
    "a word": ({"search": "n17777"}, "search"),
    "the beginning of words": ({"search": "n1777"}, "search"),
    "several words": ({"search": "audio n1777"}, "search"),
    "a word, by title": ({"search": "n1777", "sort_by": "title"}, "search"),
    "a tag": ({"tags": ["tag7"]}, "search"),
    "nobody's word": ({"search": "nothing"}, "search"),
}


@pytest.mark.xdist_group("library-search")  # what fills the library, once
def test_pages_and_counts_are_read_from_an_index(
    filled: tuple[Connection, UUID], subtests: pytest.Subtests
) -> None:
    """But for the count of all that an organisation has, which is as long as it has much."""
    connection, own = filled
    for name, (asked, index) in PLANS.items():
        wanted = Wanted(own, **asked)
        with subtests.test(name):
            page = plan(connection, store.page_of(wanted, offset=0, limit=20))
            assert indexes(page) == {f"library_audios_{index}_idx"}
            assert rows_read(page) < 2_000
            if index in ("search", "usage"):
                count = plan(connection, store.count_of(wanted))
                assert indexes(count) == {f"library_audios_{index}_idx"}
                assert rows_read(count) < 2_000


@pytest.mark.xdist_group("library-search")  # what fills the library, once
def test_a_search_walks_through_no_other_library(filled: tuple[Connection, UUID]) -> None:
    """All words of both libraries are the same; a stranger's search meets none of them."""
    connection, _ = filled
    wanted = Wanted(uuid4(), search="audio")
    assert rows_read(plan(connection, store.page_of(wanted, offset=0, limit=20))) == 0
    assert rows_read(plan(connection, store.count_of(wanted))) <= 1


def plan(connection: Connection, statement: Any) -> dict[str, Any]:
    """What PostgreSQL did for a statement, node by node."""
    compiled = statement.compile(connection.engine, compile_kwargs={"render_postcompile": True})
    explained = connection.exec_driver_sql(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled}", compiled.params
    ).scalar_one()
    found: dict[str, Any] = explained[0]["Plan"]
    return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def indexes(plan: dict[str, Any]) -> set[str]:
    return {node["Index Name"] for node in nodes(plan) if "Index Name" in node}


def rows_read(plan: dict[str, Any]) -> float:
    """The most that any step of it met, those that it threw away included."""
    thrown = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    return max(
        float(node["Actual Rows"] + sum(node.get(each, 0) for each in thrown))
        for node in nodes(plan)
    )
