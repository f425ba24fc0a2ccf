"""This version goes on with what the one before left, at once and after twelve hours."""

from __future__ import annotations

from array import array
from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from audioapi import objects, queues, settings
from audioapi.analysis import conversation
from audioapi.streaming import assembly, store, sweeper
from audioapi.streaming.models import Status
from tests.audio import samples_of
from tests.integration.audioapi import left as previous
from tests.integration.audioapi import webhook_calls
from tests.integration.audioapi.analysis.live import live_calls, live_worker_calls
from tests.integration.audioapi.sessions import CLOSE, audio, kept, say

if TYPE_CHECKING:
    from tests.integration.audioapi.left import Left
    from tests.receiver import Receiver

SOON, LATE = 1 / 60, 12.0
"""Hours."""


@pytest.fixture(autouse=True)
def _functions(database_secret: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOW_PRIVATE_WEBHOOKS", "true")
    settings.webhooks.cache_clear()
    recogniser = live_worker_calls.FakeRecogniser()
    monkeypatch.setattr(conversation, "configured", lambda: recogniser)
    monkeypatch.setattr(queues, "held", lambda *_, **__: nullcontext())
    impatient = SimpleNamespace(live_queue_url=settings.live().live_queue_url, live_idle_seconds=0)
    monkeypatch.setattr(settings, "live", lambda: impatient)


@pytest.fixture
def left(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Left:
    return previous.found(monkeypatch, hours=SOON, url=receiver.url)


@pytest.fixture
def left_long_ago(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Left:
    return previous.found(monkeypatch, hours=LATE, url=receiver.url)


def chunk(number: int) -> bytes:
    return array("h", [number % 256] * 16).tobytes()


def in_file(session_id: str) -> list[int]:
    """The numbers of the chunks that its file has."""
    session = kept(session_id)
    assert session.status is Status.COMPLETED, session
    assert session.file_path
    file = objects.read(settings.streaming().audio_bucket, session.file_path)
    return list(array("h", samples_of(file)))[::16]


def test_clients_go_on(left: Left) -> None:
    for name, seq in (("open", 5), ("folded", 300), ("unnumbered", None)):
        before = kept(left.names[name]).total_chunks
        answer = say(audio(chunk(3 if seq is None else seq), seq), name, at=left.now)
        assert (answer["status"], answer["chunk_count"]) == ("active", before + 1)
        assert say(CLOSE, name, at=left.now)["status"] == "completed"
    left.work()
    assert in_file(left.names["open"]) == [0, 1, 2, 3, 4, 5]
    assert in_file(left.names["folded"]) == [n % 256 for n in range(301)]
    assert in_file(left.names["unnumbered"]) == [0, 1, 2, 3]


@pytest.mark.parametrize("hours", [SOON, LATE])
def test_sessions_that_were_closed_get_their_files(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, hours: float
) -> None:
    left = previous.found(monkeypatch, hours=hours, url=receiver.url)
    left.work()
    for name in ("closing", "counted", "sealed", "done"):
        assert in_file(left.names[name]) == [0, 1, 2], name
    assert kept(left.names["counted"]).missing_chunks == [3]
    deliveries = webhook_calls.log(left.webhook["id"])
    heard_of = {each["payload"]["data"].get("session_id") for each in deliveries}
    ended = ("closing", "counted", "sealed", "done", "failed")
    assert {left.names[name] for name in ended} <= heard_of
    assert {each["status"] for each in deliveries} == {"delivered"}


def test_sessions_that_nobody_closed_are_ended(left_long_ago: Left) -> None:
    left = left_long_ago
    sweeper.sweep(now=left.now)
    left.work()
    assert in_file(left.names["open"]) == [0, 1, 2, 3, 4]
    assert in_file(left.names["folded"]) == [n % 256 for n in range(300)]
    assert in_file(left.names["unnumbered"]) == [0, 1, 2]
    quiet = kept(left.names["quiet"])
    assert (quiet.status, quiet.file_path) == (Status.COMPLETED, None)
    assert not list(store.open_sessions())


def test_a_session_that_was_given_up_is_made_anew(left: Left) -> None:
    failed = left.names["failed"]
    assert store.rebuild(failed)
    assembly.assemble_session(failed)
    left.work()
    assert in_file(failed) == [0, 1, 2]


def test_conversations_go_on(left: Left) -> None:
    assert live_calls.control(left.names["speaking"], "finalize").status == 200
    left.work()
    for name in ("heard", "speaking"):
        told = live_worker_calls.types(left.names[name])
        assert told[-3:] == ["summary_update", "status", "done"]
        assert told.count("done") == 1


def test_conversations_of_twelve_hours_ago_end(left_long_ago: Left) -> None:
    """One that was finalized is heard out, one that nobody ended is told to have expired."""
    left = left_long_ago
    left.work()
    heard = live_worker_calls.types(left.names["heard"])
    assert heard[-3:] == ["summary_update", "status", "done"]
    assert live_worker_calls.failure(left.names["speaking"])[1] == "Live session expired"
