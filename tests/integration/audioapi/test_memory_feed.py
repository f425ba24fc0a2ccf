"""The feed: a caller's recordings, newest first, all or those in which something was said."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from audioapi import identity
from audioapi.clock import now_ms
from audioapi.identity import Principal
from audioapi.memories import service, windows
from audioapi.processing import removal
from tests.integration.audioapi.memory_calls import RATE, add, call, recording, rows

if TYPE_CHECKING:
    from audioapi.memories.models import Owner, Recording

NOON = 1_795_262_400_000  # 2026-11-21T12:00:00Z


@dataclass(frozen=True)
class Spoken:
    text: str
    start: float
    end: float


@pytest.fixture
def owner(database_secret: None) -> Principal:
    found = Principal(uuid4().hex, uuid4().hex)
    identity.put_api_key("key", found)
    return found


def feed(**query: str) -> Any:
    answer = call("memory_list", key="key", **query)
    assert answer.status == 200, answer.body
    return answer.body["data"]


def ids(**query: str) -> list[str]:
    return [memory["memory_id"] for memory in feed(**query)["memories"]]


def said(owner: Owner, *texts: str, minute: int = 0) -> Recording:
    """A recording with a text in each window, begun at that minute after noon."""
    made = recording(owner, start_time=NOON + 60_000 * minute)
    windows.plan(made, seconds=30 * len(texts))
    windows.complete(made, samples=30 * RATE * len(texts))
    spoken = [Spoken(text, 30.0 * n, 30.0 * n + 1) for n, text in enumerate(texts)]
    windows.set_transcript(made, [word for word in spoken if word.text])
    return made


def test_recordings_are_listed_newest_first(owner: Principal) -> None:
    assert feed() == {"memories": [], "next_cursor": None}
    older = said(owner, "good", "morning", "", "everybody")
    newer = said(owner, minute=5)
    windows.plan(newer, seconds=42.5)
    assert feed() == {
        "memories": [
            {
                "memory_id": newer.session_id,
                "start_time": "2026-11-21T12:05:00.000Z",
                "end_time": "2026-11-21T12:05:42.500Z",
                "duration_seconds": 42.5,
                "windows": 2,
                "processing_status": "pending",
                "transcript": None,
            },
            {
                "memory_id": older.session_id,
                "start_time": "2026-11-21T12:00:00.000Z",
                "end_time": "2026-11-21T12:02:00.000Z",
                "duration_seconds": 120.0,
                "windows": 4,
                "processing_status": "complete",
                "transcript": "good morning everybody",
            },
        ],
        "next_cursor": None,
    }


def test_a_segment_without_a_session_stands_for_itself(owner: Principal) -> None:
    lone = add(owner, transcript="lone")
    [memory] = feed()["memories"]
    assert (memory["memory_id"], memory["windows"], memory["transcript"]) == (lone, 1, "lone")


@pytest.mark.parametrize(
    ("statuses", "folded"),
    [
        (("complete", "failed", "pending"), "pending"),
        (("complete", "failed", "complete"), "failed"),
        (("complete", "complete"), "complete"),
    ],
)
def test_a_recording_is_as_ready_as_its_windows(
    owner: Principal, statuses: tuple[str, ...], folded: str
) -> None:
    session_id = uuid4().hex
    for window, status in enumerate(statuses):
        link = {"source_session_id": session_id, "source_window_index": window}
        add(owner, processing_status=status, **link)
    [memory] = feed()["memories"]
    assert (memory["processing_status"], memory["windows"]) == (folded, len(statuses))


def test_a_long_transcript_is_shortened(owner: Principal) -> None:
    exactly = said(owner, "x" * 149, "y" * 150, minute=1)
    longer = said(owner, "x" * 150, "é" * 150)
    shown = {memory["memory_id"]: memory["transcript"] for memory in feed()["memories"]}
    assert shown[exactly.session_id] == "x" * 149 + " " + "y" * 150
    assert shown[longer.session_id] == "x" * 150 + " " + "é" * 148 + "…"


def test_many_short_texts_fill_what_is_shown(owner: Principal) -> None:
    said(owner, *"a" * 400)
    [memory] = feed()["memories"]
    assert memory["transcript"] == ("a " * 150)[:299] + "…"


def test_pages_go_on_where_the_last_one_ended_whatever_comes_and_goes(owner: Principal) -> None:
    # Some began at the same moment.
    made = [said(owner, "text", minute=n // 3) for n in range(20)]
    first = feed(limit="7")
    latest = said(owner, "text", minute=99)
    removal.delete(owner, first["memories"][-1]["memory_id"], now=now_ms())
    second = feed(limit="7", cursor=first["next_cursor"])
    third = feed(limit="7", cursor=second["next_cursor"])
    assert third["next_cursor"] is None
    shown = [memory for page in (first, second, third) for memory in page["memories"]]
    assert [len(page["memories"]) for page in (first, second, third)] == [7, 7, 6]
    assert {memory["memory_id"] for memory in shown} == {each.session_id for each in made}
    starts = [memory["start_time"] for memory in shown]
    assert starts == sorted(starts, reverse=True)
    assert ids(limit="1") == [latest.session_id]


def test_a_recording_without_its_first_window_keeps_its_place(owner: Principal) -> None:
    made = [said(owner, "one", "two", minute=n) for n in range(3)]
    removal.delete(owner, rows(made[1])[0].id, now=now_ms())
    assert ids() == [each.session_id for each in reversed(made)]
    assert feed()["memories"][1]["start_time"] == "2026-11-21T12:01:30.000Z"


def test_recordings_that_overlap_are_listed_once_each(owner: Principal) -> None:
    made = [said(owner, *"abcdef", minute=n) for n in range(3)]
    assert ids() == [each.session_id for each in reversed(made)]
    assert ids(search="f") == ids()


def test_the_feed_is_the_callers_own(owner: Principal) -> None:
    mine = said(owner, "shared")
    said(Principal(uuid4().hex, owner.organization_id), "shared")
    said(Principal(owner.user_id, uuid4().hex), "shared")
    assert ids() == ids(search="shared") == [mine.session_id]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("walk", ["walked", "walking"]),
        ("WALKS", ["walked", "walking"]),
        ('"the dog walked"', ["walked"]),
        ('"walked dog"', []),
        ("walk -dog", ["walking"]),
        ("-walk", ["slept"]),
        ("slept or dog", ["walked", "slept"]),
        ("dog slept", []),
        ("the", []),
        ("'; DROP TABLE world_mm_segments --", []),
        ("& | ! ( :* \\", []),
        ("%", []),
        ("  ", ["walked", "walking", "slept"]),
        ("", ["walked", "walking", "slept"]),
    ],
)
def test_search_finds_what_was_said(owner: Principal, search: str, found: list[str]) -> None:
    texts = {"walked": "the dog walked", "walking": "a cat is walking", "slept": "a cat slept"}
    made = {said(owner, "", text).session_id: name for name, text in texts.items()}
    assert sorted(made[memory_id] for memory_id in ids(search=search)) == sorted(found)


def test_search_is_paged_too_and_shows_whole_recordings(owner: Principal) -> None:
    made = [said(owner, "first", "needle", "needle", minute=n) for n in range(5)]
    said(owner, "hay", minute=9)
    first = feed(search="needle", limit="3")
    second = feed(search="needle", limit="3", cursor=first["next_cursor"])
    shown = [*first["memories"], *second["memories"]]
    assert [memory["memory_id"] for memory in shown] == [e.session_id for e in reversed(made)]
    assert {memory["transcript"] for memory in shown} == {"first needle needle"}
    assert second["next_cursor"] is None


def test_search_knows_owners_of_any_name(database_secret: None) -> None:
    for user_id in ("o'neil", "back\\slash", "a/b c:*&|!", "ü" * 2000, "x" * 5000):
        who = Principal(user_id, uuid4().hex)
        made = said(who, "word")
        page = service.own_memories(who, limit=5, cursor=None, search="word")
        assert [memory.memory_id for memory in page.memories] == [made.session_id]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("limit", ["0", "101", "-1", "many", ""]),
        (
            "cursor",
            [
                "",
                "x",
                "%%%",
                "ü",
                *(
                    base64.urlsafe_b64encode(text.encode()).decode()
                    for text in (
                        "",
                        "noon|x",
                        "2026-11-21T12:00:00|x",
                        "2026-11-21T12:00:00+00:00|nul\0",
                        "0001-01-01T00:00:00+14:00|x",
                        "9999-12-31T23:59:59-14:00|x",
                    )
                ),
            ],
        ),
        ("search", ["nul\0", "x" * 201]),
    ],
)
def test_what_cannot_be_is_named(owner: Principal, name: str, values: list[str]) -> None:
    for value in values:
        answer = call("memory_list", key="key", **{name: value})
        assert (answer.status, answer.code) == (400, "INVALID_REQUEST"), value
        assert answer.body["field"] == name
        assert answer.body["error"]["message"].startswith(name)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"])
def test_the_ends_of_time_are_places(owner: Principal, moment: str) -> None:
    cursor = base64.urlsafe_b64encode(f"{moment}+00:00|x".encode()).decode()
    assert call("memory_list", key="key", cursor=cursor).status == 200


def test_a_cursor_of_somebody_else_leads_into_the_callers_own(owner: Principal) -> None:
    mine = [said(owner, minute=n) for n in range(2)]
    for each in mine:
        windows.plan(each, seconds=1)
    stranger = Principal(uuid4().hex, uuid4().hex)
    for n in range(2):
        windows.plan(recording(stranger, start_time=NOON + 30_000 * n), seconds=1)
    theirs = service.own_memories(stranger, limit=1, cursor=None, search=None).next_cursor
    assert theirs is not None
    assert ids(cursor=theirs) == [mine[0].session_id]


def test_the_feed_needs_a_key_with_the_scope_read(owner: Principal) -> None:
    identity.put_api_key("writer", Principal(owner.user_id, owner.organization_id, ("write",)))
    refused = [call("memory_list", key=key) for key in (None, "another", "writer")]
    assert [answer.code for answer in refused] == ["INVALID_KEY", "INVALID_KEY", "FORBIDDEN"]
