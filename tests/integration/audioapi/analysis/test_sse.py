"""What a consumer of a stream of events gets, and what becomes of its source when it leaves."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from starlette.routing import Route

from audioapi import web
from audioapi.analysis import metrics
from audioapi.analysis.events import sse
from audioapi.analysis.events.sse import Frame
from audioapi.analysis.models import Event, EventType
from audioapi.clock import now_ms
from tests.integration.audioapi.served import served
from tests.patience import until
from tests.sse import Sent, opened

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from local.template.model import Stack

TOLD = Event(EventType.FINAL_TRANSCRIPT, {"text": "one\ntwo  Grüße\r", "t_start": 0.5})


def streaming(frames: AsyncGenerator[Frame], **options: Any) -> ASGIApp:
    def endpoint(_: Request) -> sse.EventStream:
        return sse.EventStream(frames, **options)

    return web.application([Route("/", endpoint)])


@pytest.fixture(autouse=True)
def _tables(stack: Stack) -> None:
    """What is streamed is counted."""


async def test_events_come_as_browsers_read_them() -> None:
    async def frames() -> AsyncGenerator[Frame]:
        yield Frame(TOLD)
        yield Frame(Event(EventType.DONE, {"conversation_id": "liveconv_1"}), "1.token")

    with served(streaming(frames(), begin_at="0.token")) as url, opened(url) as stream:
        assert list(stream) == [
            Sent("final_transcript", TOLD.data, "0.token"),
            Sent("done", {"conversation_id": "liveconv_1"}, "1.token"),
        ]
        assert stream.retry == 1000
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-cache, no-transform"
        assert stream.headers["x-accel-buffering"] == "no"


def test_an_event_is_written_by_the_standard() -> None:
    written = Frame(Event(EventType.DONE, {"a": "\n\r"}), "7.x").encode()
    assert written == b'id: 7.x\nevent: done\ndata: {"a":"\\n\\r"}\n\n'


def test_comments_come_at_once_and_while_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.02)
    enough = threading.Event()

    async def frames() -> AsyncGenerator[Frame]:
        await anyio.to_thread.run_sync(enough.wait)
        yield Frame(TOLD)

    with served(streaming(frames())) as url, opened(url) as stream:
        reading = threading.Thread(target=list, args=(stream,))
        reading.start()
        until(lambda: len(stream.comments) > 3)
        enough.set()
        reading.join()
        assert set(stream.comments) == {"keepalive"}


def test_a_source_is_closed_when_its_consumer_leaves() -> None:
    closed = threading.Event()

    async def frames() -> AsyncGenerator[Frame]:
        try:
            yield Frame(TOLD)
            await anyio.sleep_forever()
        finally:
            closed.set()

    with served(streaming(frames())) as url:
        with opened(url) as stream:
            assert next(iter(stream)).type == "final_transcript"
        until(closed.is_set)


def test_work_in_a_thread_ends_with_what_it_gives_next_when_its_consumer_leaves() -> None:
    closed, left = threading.Event(), threading.Event()
    given = 0

    def frames() -> Generator[Frame]:
        nonlocal given
        try:
            while True:
                given += 1
                yield Frame(TOLD)
                left.wait()
        finally:
            closed.set()

    with served(streaming(sse.in_thread(frames()))) as url:
        with opened(url) as stream:
            next(iter(stream))
        left.set()
        until(closed.is_set)
    assert given <= 3


def test_what_nobody_reads_is_not_made() -> None:
    """Kernels hold a few megabytes of it, and the server 64 KB."""
    given = 0
    block = Frame(Event(EventType.STATUS, {"x": "x" * 1_000_000}))

    def frames() -> Generator[Frame]:
        nonlocal given
        while True:
            given += 1
            yield block

    with served(streaming(sse.in_thread(frames()))) as url, opened(url):
        before = -1
        while before < given:
            before = given
            threading.Event().wait(0.3)
        assert given < 50


def test_a_source_that_fails_is_told_as_an_event(caplog: pytest.LogCaptureFixture) -> None:
    async def frames() -> AsyncGenerator[Frame]:
        yield Frame(TOLD)
        raise RuntimeError("unforeseen")

    with served(streaming(frames(), about="liveconv_1")) as url, opened(url) as stream:
        _, failure = stream
    assert (failure.type, failure.data["code"]) == ("error", "STREAM_FAILURE")
    assert "unforeseen" not in failure.data["message"]
    [logged] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert logged.getMessage() == "[liveconv_1] stream failed"


def test_a_stream_ends_by_itself_when_its_time_is_over() -> None:
    closed = threading.Event()

    async def frames() -> AsyncGenerator[Frame]:
        try:
            yield Frame(TOLD)
            await anyio.sleep_forever()
        finally:
            closed.set()

    with served(streaming(frames(), seconds=0.2)) as url, opened(url) as stream:
        assert [sent.type for sent in stream] == ["final_transcript"]
        until(closed.is_set)


def test_consumers_and_what_they_are_sent_are_counted() -> None:
    async def frames() -> AsyncGenerator[Frame]:
        yield Frame(TOLD)
        yield Frame(TOLD)
        await anyio.sleep_forever()

    with served(streaming(frames(), resumed=True)) as url:
        with opened(url) as stream:
            next(iter(stream))
            until(lambda: metrics.snapshot().consumers == 1)
        until(lambda: metrics.snapshot().consumers == 0)
    counted = metrics.snapshot().totals.streams
    assert counted["opened"] == counted["closed"] == counted["resumed"] == 1
    assert counted["events_sent"] == 2
    assert counted["bytes_sent"] == 2 * len(Frame(TOLD).encode())


def test_how_late_events_are_sent_is_measured_of_those_that_are_new() -> None:
    async def frames() -> AsyncGenerator[Frame]:
        yield Frame(TOLD, "1.token", told_at=now_ms() - 60_000)
        yield Frame(TOLD, "2.token", told_at=now_ms())

    with served(streaming(frames())) as url, opened(url) as stream:
        assert len(list(stream)) == 2
    # The server has ended, and with it what it counts.
    assert metrics.snapshot().totals.delivery.count == 1
