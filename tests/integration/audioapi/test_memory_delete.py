"""Deleting takes the audio first and the rows last, so that nothing is left that nobody reaches."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg2
import pytest
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

from audioapi import identity, objects
from audioapi.clock import now_ms
from audioapi.identity import Principal
from audioapi.memories import windows
from audioapi.processing import removal
from tests.integration.audioapi.functions import statements
from tests.integration.audioapi.memory_calls import (
    add,
    call,
    recording,
    remember,
    rows,
    stored,
)

if TYPE_CHECKING:
    from audioapi.memories.models import Recording


class CrashError(Exception):
    """The function's process is gone at this line."""


@pytest.fixture
def owner(database_secret: None) -> Principal:
    found = Principal(uuid4().hex, uuid4().hex)
    identity.put_api_key("key", found)
    return found


@pytest.fixture
def recorded(owner: Principal) -> Recording:
    made = recording(owner)
    remember(made, seconds=61)
    return made


def delete(memory_id: str, *, key: str | None = "key") -> Any:
    return call("memory_delete", memory_id, key=key)


def test_a_session_is_deleted_with_all_its_windows(owner: Principal, recorded: Recording) -> None:
    other = recording(owner)
    remember(other)
    answer = delete(recorded.session_id)
    assert (answer.status, answer.body) == (200, {"data": {"deleted": 3}})
    assert (rows(recorded), stored(recorded.session_id)) == ([], {})
    assert (len(rows(other)), len(stored(other.session_id))) == (1, 1)


def test_a_segment_is_deleted_alone(recorded: Recording) -> None:
    assert delete(rows(recorded)[0].id).body == {"data": {"deleted": 1}}
    assert [row.source_window_index for row in rows(recorded)] == [1, 2]
    assert [key[-20:] for key in stored(recorded.session_id)] == [
        "window_001/audio.wav",
        "window_002/audio.wav",
    ]
    assert delete(recorded.session_id).body == {"data": {"deleted": 2}}


def test_a_memory_without_audio_is_deleted_too(owner: Principal) -> None:
    pending = recording(owner)
    windows.plan(pending, seconds=45)
    assert delete(add(owner)).body == {"data": {"deleted": 1}}
    assert delete(pending.session_id).body == {"data": {"deleted": 2}}


def test_more_than_one_request_can_take_is_deleted(owner: Principal) -> None:
    """S3 takes 1000 keys in one."""
    long = recording(owner)
    windows.plan(long, seconds=999 * 30)
    windows.complete(long, samples=1001 * 30 * windows.SAMPLE_RATE)
    assert delete(long.session_id).body == {"data": {"deleted": 1001}}
    assert rows(long) == []


def test_a_window_that_is_deleted_while_it_is_worked_on_stays_deleted(owner: Principal) -> None:
    at_work = recording(owner)
    windows.plan(at_work, seconds=61)
    assert delete(rows(at_work)[1].id).body == {"data": {"deleted": 1}}
    remember(at_work, seconds=61)
    assert [row.source_window_index for row in rows(at_work)] == [0, 2]
    assert [key[-20:] for key in stored(at_work.session_id)] == [
        "window_000/audio.wav",
        "window_002/audio.wav",
    ]


def test_what_is_deleted_comes_back_only_if_it_is_asked_for_again(
    owner: Principal, recorded: Recording
) -> None:
    delete(recorded.session_id)
    windows.plan(recorded, seconds=61)
    remember(recorded, seconds=61)
    assert (rows(recorded), stored(recorded.session_id)) == ([], {})
    remember(replace(recorded, asked_at=now_ms() + 1), seconds=61)
    assert (len(rows(recorded)), len(stored(recorded.session_id))) == (3, 3)


def test_a_deletion_whose_commits_answer_is_lost_has_deleted(
    recorded: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit: Any = PGDialect_psycopg2.do_commit
    lost: list[Any] = []

    def lose_one_answer(dialect: Any, connection: Any) -> None:
        commit(dialect, connection)
        if not lost:
            lost.append(connection)
            raise psycopg2.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(PGDialect_psycopg2, "do_commit", lose_one_answer)
    assert delete(recorded.session_id).body == {"data": {"deleted": 3}}
    assert rows(recorded) == []


def test_what_is_gone_is_not_found(recorded: Recording) -> None:
    assert delete(recorded.session_id).status == 200
    for memory_id in (recorded.session_id, "nobody's", "%00"):
        answer = delete(memory_id)
        assert (answer.status, answer.code) == (404, "MEMORY_NOT_FOUND")


def test_somebody_elses_memory_answers_as_a_missing_one_and_stays(owner: Principal) -> None:
    with statements() as of_missing:
        missing = delete("nobody's")
    for stranger in (
        Principal(uuid4().hex, owner.organization_id),
        Principal(owner.user_id, uuid4().hex),
    ):
        theirs = recording(stranger)
        remember(theirs)
        for memory_id in (theirs.session_id, rows(theirs)[0].id):
            with statements() as asked:
                assert delete(memory_id) == missing
            assert asked == of_missing
        assert (len(rows(theirs)), len(stored(theirs.session_id))) == (1, 1)


def test_a_crash_leaves_something_to_delete_again(
    owner: Principal, recorded: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = objects.delete_many

    def crash_after(*given: Any) -> None:
        really(*given)
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr(objects, "delete_many", crash_after)
        with pytest.raises(CrashError):
            removal.delete(owner, recorded.session_id, now=now_ms())
    assert (len(rows(recorded)), stored(recorded.session_id)) == (3, {})
    assert call("memories_audio", recorded.session_id, key="key").code == "AUDIO_NOT_FOUND"
    assert delete(recorded.session_id).body == {"data": {"deleted": 3}}


def test_audio_that_s3_keeps_is_not_forgotten(
    recorded: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> dict[str, Any]:
        return {"Errors": [{"Key": "a", "Code": "InternalError"}]}

    monkeypatch.setattr(objects.client(), "delete_objects", refuse)
    assert delete(recorded.session_id).status == 500
    assert len(rows(recorded)) == 3


def test_the_worker_waits_while_its_memories_are_deleted(
    owner: Principal, recorded: Recording, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it might complete rows between the files' end and theirs."""
    turns = []

    def look(*_: Any) -> None:
        with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
            cursor.execute("SELECT granted FROM pg_locks WHERE locktype = 'advisory'")
            turns.extend(cursor.fetchall())

    monkeypatch.setattr(objects, "delete_many", look)
    removal.delete(owner, recorded.session_id, now=now_ms())
    assert set(turns) == {(True,)}


def test_deleting_needs_a_key_with_the_scope_write(owner: Principal, recorded: Recording) -> None:
    reader = Principal(owner.user_id, owner.organization_id, ("read",))
    identity.put_api_key("reader", reader)
    refused = [delete(recorded.session_id, key=key) for key in (None, "another", "reader")]
    assert [(answer.status, answer.code) for answer in refused] == [
        (401, "INVALID_KEY"),
        (401, "INVALID_KEY"),
        (403, "FORBIDDEN"),
    ]
    assert len(rows(recorded)) == 3
