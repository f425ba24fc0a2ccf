"""What the live worker reads: chunks in order, as they come, until something ends it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from audioapi import objects, settings
from audioapi.analysis.live import chunks as module
from audioapi.analysis.live import store
from audioapi.analysis.live.chunks import Chunks, IdleError, OutOfTimeError
from audioapi.analysis.live.models import LiveSession, Status
from audioapi.problems import StreamFailureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IDLE_SECONDS = 20
NEVER = 10**15


def session(status: Status = Status.PROCESSING, **members: Any) -> LiveSession:
    return LiveSession(
        session_id="live_00000000",
        conversation_id="liveconv_00000000",
        organization_id="acme",
        user_id="alice",
        suffix=".webm",
        ttl_seconds=900,
        started_at=0,
        status=status,
        **{"expires_at": NEVER, **members},
    )


@dataclass
class World:
    """A session whose story goes on whenever nothing is left to read; chunk n is the letter n."""

    story: list[Callable[[], None]] = field(default_factory=list)
    session: LiveSession | None = field(default_factory=session)
    now: float = 100.0
    looks: int = 0

    def get(self, _: str) -> LiveSession | None:
        self.looks += 1
        return self.session

    def become(self, status: Status = Status.PROCESSING, **members: Any) -> Callable[[], None]:
        def change() -> None:
            self.session = session(status, **members)

        return change

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.story:
            self.story.pop(0)()


def keys(found: LiveSession, start: int = 0) -> list[str]:
    return [chr(ord("a") + number) for number in range(start, found.next_chunk_seq)]


def read(_: str, wanted: list[str], **_ahead: int) -> Iterator[bytes]:
    return (key.encode() for key in wanted)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    clock = SimpleNamespace(monotonic=lambda: world.now, sleep=world.sleep)
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(store, "get", world.get)
    monkeypatch.setattr(store, "chunk_keys", keys)
    monkeypatch.setattr(store, "folds", lambda _: {})
    monkeypatch.setattr(store, "note_fold", lambda *_, **__: None)
    monkeypatch.setattr(objects, "put", lambda *_, **__: None)
    monkeypatch.setattr(store, "expire", lambda *_, **__: True)
    monkeypatch.setattr(objects, "read_in_order", read)
    monkeypatch.setattr(settings, "analysis", lambda: SimpleNamespace(audio_bucket="bucket"))
    monkeypatch.setattr(settings, "live", lambda: SimpleNamespace(live_idle_seconds=IDLE_SECONDS))
    return world


def chunks(*, ends_at: float = 10_000.0) -> Chunks:
    return Chunks(session(), ends_at=ends_at)


def test_chunks_come_in_order_and_blanks_while_there_is_none(world: World) -> None:
    world.session = session(next_chunk_seq=2)
    world.story = [
        world.become(next_chunk_seq=3),
        lambda: None,
        world.become(Status.FINALIZING, next_chunk_seq=5),
    ]
    found = chunks()
    assert list(found) == [b"a", b"b", b"", b"c", b"", b"", b"d", b"e"]
    assert found.taken == 5
    assert list(found.again()) == [b"a", b"b", b"c", b"d", b"e"]


def test_a_session_that_is_finalized_without_a_chunk_is_empty(world: World) -> None:
    world.session = session(Status.FINALIZING)
    assert list(chunks()) == []


def test_it_is_idle_when_nothing_comes_for_a_while(world: World) -> None:
    world.session = session(next_chunk_seq=1)
    world.story = [lambda: None] * 50 + [world.become(next_chunk_seq=2)]
    began = world.now
    found = chunks()
    with pytest.raises(IdleError):
        list(found)
    assert found.taken == 2
    assert 10 + IDLE_SECONDS < world.now - began < 11 + IDLE_SECONDS


def test_it_is_not_idle_while_somebody_is_still_at_what_came(world: World) -> None:
    world.session = session(next_chunk_seq=1)
    found = chunks()
    blocks = iter(found)
    assert next(blocks) == b"a"
    with found.being_heard():
        world.now += 10 * IDLE_SECONDS
        assert next(blocks) == b""
    assert next(blocks) == b""
    with pytest.raises(IdleError):
        list(blocks)


def test_no_chunk_is_begun_when_the_time_is_over(world: World) -> None:
    world.session = session(next_chunk_seq=2)
    blocks = iter(found := chunks(ends_at=world.now + 5))
    assert next(blocks) == b"a"
    world.now += 6
    with pytest.raises(OutOfTimeError):
        next(blocks)
    assert found.taken == 1


def test_waiting_ends_with_the_time_too(world: World) -> None:
    with pytest.raises(OutOfTimeError):
        list(chunks(ends_at=world.now + 5))


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        (session(Status.CANCELLED, reason="the line is bad"), "the line is bad"),
        (session(Status.CANCELLED), "Live session cancelled"),
        (session(Status.PROCESSING, expires_at=0), "Live session expired"),
        (session(Status.EXPIRED), "Live session expired"),
    ],
)
def test_what_ends_a_session_is_told(world: World, ending: LiveSession, told: str) -> None:
    def end() -> None:
        world.session = ending

    world.session = session(next_chunk_seq=1)
    world.story = [end]
    with pytest.raises(StreamFailureError, match=told):
        list(found := chunks())
    assert found.session is ending


def test_a_keepalive_that_was_faster_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "expire", lambda *_, **__: False)
    world.session = session(expires_at=0)
    world.story = [world.become(Status.FINALIZING)]
    assert list(chunks()) == [b""]


def test_a_backlog_is_left_when_the_session_is_cancelled(world: World) -> None:
    world.session = session(next_chunk_seq=1000)
    blocks = iter(chunks())
    next(blocks)
    world.session = session(Status.CANCELLED)
    with pytest.raises(StreamFailureError):
        list(islice(blocks, 100))


@pytest.mark.parametrize("ended", [None, session(Status.COMPLETED), session(Status.FAILED)])
def test_somebody_elses_end_is_the_end(world: World, ended: LiveSession | None) -> None:
    world.session = ended
    with pytest.raises(store.FencedOutError):
        list(chunks())
