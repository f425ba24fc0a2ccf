"""A live session's consumer: every event once and in order, however often the connection breaks."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from audioapi import identity
from audioapi.analysis.live import event_stream, items, store
from audioapi.analysis.live.models import Status
from audioapi.clock import now_ms
from audioapi.problems import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    LiveSessionNotFoundError,
)
from tests.integration.audioapi.analysis.live.live_calls import (
    ALICE,
    CALLERS,
    DONE,
    SUMMARY,
    control,
    kept,
    let_in,
    set_back,
    started,
    transcript,
    working,
)
from tests.patience import until_async

if TYPE_CHECKING:
    from audioapi.analysis.live.event_stream import Attachment, Message
    from audioapi.analysis.models import Event
    from local.template.model import Stack

ONE_CONSUMER = "Only one SSE consumer may be attached to a live session at a time"


@pytest.fixture(autouse=True)
def _callers(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a clock that goes faster."""
    let_in()
    monkeypatch.setattr(event_stream, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(event_stream, "RENEW_SECONDS", 0.02)


def attach(session_id: str, last_event_id: str | None = None, caller: str = "alice") -> Attachment:
    return event_stream.attach(CALLERS[caller], session_id, last_event_id)


def tell(session_id: str, *told: Event, end: Status | None = None) -> None:
    cursor = working(session_id)
    if end is None:
        store.append(session_id, "worker", cursor, told, now=now_ms())
    else:
        store.end(session_id, "worker", cursor, told, end, now=now_ms())


def free_lease(session_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the consumer's last renewal were eleven seconds ago."""
    later = now_ms() + event_stream.LEASE_MS + 1000
    monkeypatch.setattr(event_stream, "now_ms", lambda: later)


async def read(attachment: Attachment, count: int) -> list[Message]:
    """The next events, after which the connection is closed properly."""
    got: list[Message] = []
    async with aclosing(event_stream.stream(attachment)) as stream:
        async for message in stream:
            got.append(message)
            if len(got) == count:
                break
    return got


async def read_all(attachment: Attachment) -> list[Message]:
    return [message async for message in event_stream.stream(attachment)]


def phases(messages: list[Message]) -> list[Any]:
    return [message.event.data.get("phase") for message in messages]


async def test_events_come_from_the_first_and_as_they_are_told() -> None:
    session_id = started()
    stream = event_stream.stream(attach(session_id))
    assert phases([await anext(stream), await anext(stream)]) == ["starting", "waiting_media"]
    next_one = asyncio.ensure_future(anext(stream))
    tell(session_id, transcript("Ja"))
    message = await next_one
    assert message.event == transcript("Ja")
    assert re.fullmatch(r"3\.[0-9a-f]{8}", message.id)
    control(session_id, "finalize")
    tell(session_id, SUMMARY, DONE, end=Status.COMPLETED)
    assert [message.event async for message in stream] == [SUMMARY, DONE]


async def test_after_done_the_session_is_unknown_but_for_who_missed_it() -> None:
    session_id = started()
    control(session_id, "finalize")
    tell(session_id, SUMMARY, DONE, end=Status.COMPLETED)
    messages = await read_all(attach(session_id))
    assert [message.event for message in messages[2:]] == [SUMMARY, DONE]
    assert control(session_id, "keepalive").status == 404
    for last in (None, "3", messages[-1].id):
        with pytest.raises(LiveSessionNotFoundError):
            attach(session_id, last)
    again = await read_all(attach(session_id, messages[2].id))
    assert again == messages[3:]
    set_back(session_id, expires_at=now_ms())
    with pytest.raises(LiveSessionNotFoundError):
        attach(session_id, messages[2].id)


async def test_whoever_has_the_last_event_connects_in_vain() -> None:
    """A browser connects again after `done`, unless the answer is an error; the connection may
    have been lost before the session was cleaned up.
    """
    session_id = started()
    tell(session_id, DONE, end=Status.FAILED)
    messages = await read(attach(session_id), 3)
    assert kept(session_id).cleaned_at is None
    with pytest.raises(LiveSessionNotFoundError):
        attach(session_id, messages[-1].id)
    assert kept(session_id).cleaned_at is not None


async def test_a_consumer_resumes_after_its_last_event() -> None:
    session_id = started()
    every = [transcript(str(n)) for n in range(250)]
    for first in range(0, 250, 50):
        tell(session_id, *every[first : first + 50])
    got = await read(attach(session_id), 2)
    while len(got) < 252:
        got += await read(attach(session_id, got[-1].id), 50)
    assert [message.event for message in got[2:]] == every
    assert [message.id for message in got] == [
        f"{n}.{got[0].id.partition('.')[2]}" for n in range(1, 253)
    ]


async def test_a_second_consumer_is_refused_until_the_first_has_left() -> None:
    session_id = started()
    stream = event_stream.stream(attach(session_id))
    await anext(stream)
    for last in (None, "1", "1.00000000"):
        with pytest.raises(ConflictError, match=ONE_CONSUMER):
            attach(session_id, last)
    await stream.aclose()
    assert phases(await read(attach(session_id), 2)) == ["starting", "waiting_media"]


async def test_a_lost_consumers_lease_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = started()
    attach(session_id)
    with pytest.raises(ConflictError):
        attach(session_id)
    free_lease(session_id, monkeypatch)
    attach(session_id)


async def test_an_open_stream_keeps_its_lease() -> None:
    session_id = started()
    stream = event_stream.stream(attach(session_id))
    for _ in range(2):
        await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    began = leased_until(session_id)
    await until_async(lambda: leased_until(session_id) >= began + 100)
    tell(session_id, DONE)
    assert (await waiting).event == DONE
    await stream.aclose()
    assert leased_until(session_id) == 0


def leased_until(session_id: str) -> int:
    item = items.get(session_id, "consumer")
    assert item is not None
    until: int = item["lease_until"]
    return until


async def test_the_same_consumer_takes_over_and_its_lost_connection_ends() -> None:
    session_id = started()
    lost = event_stream.stream(attach(session_id))
    first, _ = await anext(lost), await anext(lost)
    second = attach(session_id, first.id)
    assert [message async for message in lost] == []  # and lets go of nothing
    with pytest.raises(ConflictError):
        attach(session_id)
    assert phases(await read(second, 1)) == ["waiting_media"]


async def test_a_connection_that_was_lost_before_its_first_event_is_taken_over_from() -> None:
    session_id = started()
    first = attach(session_id)
    assert first.position == f"0.{first.consumer}"
    second = attach(session_id, first.position)
    third = attach(session_id, first.position)
    assert (second.position, third.position) == (first.position, first.position)
    assert phases(await read(third, 2)) == ["starting", "waiting_media"]


async def test_who_comes_after_the_lease_keeps_the_position_with_or_without_proof(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session_id = started()
    attach(session_id)
    free_lease(session_id, monkeypatch)
    assert phases(await read(attach(session_id, "1"), 1)) == ["waiting_media"]
    assert phases(await read(attach(session_id, "1.0123abcd"), 1)) == ["waiting_media"]


@pytest.mark.parametrize(
    "last", ["x", "-1", "1.", "1.xyz", "1.0123ABCD", "3", "999999999", "٣", "1 "]
)
async def test_an_id_that_was_never_given_is_refused(last: str) -> None:
    session_id = started()
    with pytest.raises(InvalidRequestError) as raised:
        attach(session_id, last)
    assert raised.value.members == {"field": "Last-Event-ID"}
    attach(session_id, "")  # as good as none


@pytest.mark.parametrize("session_id", ["live_00000000", "nonsense"])
async def test_an_unknown_session_has_no_events(session_id: str) -> None:
    with pytest.raises(LiveSessionNotFoundError):
        attach(session_id)


async def test_somebody_elses_session_has_no_events() -> None:
    session_id = started()
    for caller in ("bob", "namesake"):
        with pytest.raises(LiveSessionNotFoundError):
            attach(session_id, caller=caller)
    attach(session_id, caller="reader")


async def test_a_key_that_may_not_read_is_refused() -> None:
    session_id = started()
    writer = identity.Principal(ALICE.user_id, ALICE.organization_id, ("write",))
    with pytest.raises(ForbiddenError):
        event_stream.attach(writer, session_id, None)


async def test_a_session_that_expires_while_its_consumer_waits_is_told() -> None:
    session_id = started()
    tell(session_id, transcript("Ja"))
    stream = event_stream.stream(attach(session_id))
    for _ in range(3):
        await anext(stream)
    set_back(session_id, expires_at=now_ms())
    error, done = [message async for message in stream]
    assert error.event.data == {"code": "STREAM_FAILURE", "message": "Live session expired"}
    assert done.event.data == {"conversation_id": kept(session_id).conversation_id}
    assert [message.id.partition(".")[0] for message in (error, done)] == ["4", "5"]
    assert kept(session_id).status is Status.EXPIRED
    with pytest.raises(LiveSessionNotFoundError):
        attach(session_id, error.id)


async def test_events_that_were_told_in_time_come_before_the_expiry() -> None:
    session_id = started()
    attachment = attach(session_id)
    tell(session_id, *[transcript(str(n)) for n in range(90)])
    set_back(session_id, expires_at=now_ms())
    messages = await read_all(attachment)
    assert [message.event for message in messages[2:92]] == [transcript(str(n)) for n in range(90)]
    assert [message.event.type.value for message in messages[92:]] == ["error", "done"]


async def test_a_request_that_is_cancelled_lets_go_of_the_lease() -> None:
    session_id = started()
    begun = asyncio.Event()

    async def read_on(attachment: Attachment) -> None:
        async for _ in event_stream.stream(attachment):
            begun.set()

    reading = asyncio.ensure_future(read_on(attach(session_id)))
    await begun.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await until_async(lambda: leased_until(session_id) == 0)
    attach(session_id)


async def test_log_lines_of_a_stream_begin_with_the_conversations_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    session_id = started()
    conversation_id = kept(session_id).conversation_id
    tell(session_id, DONE, end=Status.FAILED)
    caplog.clear()
    await read_all(attach(session_id))
    assert [record.getMessage() for record in caplog.records] == [
        f"[{conversation_id}] consumer attached",
        f"[{conversation_id}] live session delivered",
    ]
