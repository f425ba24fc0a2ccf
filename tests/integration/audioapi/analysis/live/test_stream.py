"""A live session's events, from the function that streams them, served as it is on Lambda."""

from __future__ import annotations

import json
import threading
import time
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from audioapi.analysis.live import event_stream, store
from audioapi.analysis.live.models import Status
from audioapi.clock import now_ms
from tests.integration.audioapi.analysis.live import live_calls
from tests.integration.audioapi.functions import loaded
from tests.integration.audioapi.served import served
from tests.patience import until
from tests.sse import Sent, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from audioapi.analysis.models import Event
    from local.template.model import Stack
    from tests.sse import Stream


@pytest.fixture
def url(stack: Stack) -> Iterator[str]:
    live_calls.let_in()
    with served(loaded("live_events").app) as address:
        yield address


@pytest.fixture
def session_id(url: str) -> str:
    return live_calls.started()


def attached(
    url: str, session_id: str, last_event_id: str = "", *, key: str = "alice", **headers: str
) -> AbstractContextManager[Stream]:
    given = {"Last-Event-ID": last_event_id} if last_event_id else {}
    address = f"{url}/analyze/live/{session_id}/events?api_key={key}"
    return opened(address, headers={**given, **headers})


def tell(session_id: str, *events: Event) -> None:
    """What the live worker does."""
    cursor = live_calls.working(session_id)
    store.append(session_id, "worker", cursor, events, now=now_ms())


def end(session_id: str) -> None:
    cursor = live_calls.working(session_id)
    store.end(session_id, "worker", cursor, [live_calls.DONE], Status.COMPLETED, now=now_ms())


def taken(stream: Stream, count: int) -> list[Sent]:
    return list(islice(stream, count))


def test_events_come_as_they_are_told_and_the_stream_ends_with_them(
    url: str, session_id: str
) -> None:
    with attached(url, session_id) as stream:
        sent = iter(stream)
        phases = [next(sent).data["phase"], next(sent).data["phase"]]
        assert phases == ["starting", "waiting_media"]
        tell(session_id, live_calls.transcript("hello"))
        assert next(sent).data["text"] == "hello"
        end(session_id)
        assert [event.type for event in sent] == ["done"]
        assert stream.retry == 1000
        assert "keepalive" in stream.comments
    with attached(url, session_id) as stream:
        assert (stream.status, stream.body["detail"]) == (404, "Unknown live session")


def test_a_consumer_resumes_and_hears_every_event_once(url: str, session_id: str) -> None:
    heard: list[Sent] = []
    for text in ("one", "two", "three"):
        tell(session_id, live_calls.transcript(text))
        with attached(url, session_id, heard[-1].id if heard else "") as stream:
            heard += taken(stream, 1)
    end(session_id)
    with attached(url, session_id, heard[-1].id) as stream:
        heard += stream
    assert [int(sent.id.split(".")[0]) for sent in heard] == list(range(1, 7))
    assert [sent.type for sent in heard] == ["status"] * 2 + ["final_transcript"] * 3 + ["done"]


def test_a_consumer_that_heard_nothing_yet_comes_back_too(url: str, session_id: str) -> None:
    with attached(url, session_id) as first:
        heard = taken(first, 2)
    with attached(url, session_id, heard[-1].id) as quiet:
        reading = threading.Thread(target=taken, args=(quiet, 1))
        reading.start()
        until(lambda: quiet.last_event_id)
        assert quiet.last_event_id == heard[-1].id
        with attached(url, session_id, quiet.last_event_id) as again:
            tell(session_id, live_calls.transcript("hello"))
            assert taken(again, 1)[0].data["text"] == "hello"
        reading.join()


def test_there_is_one_consumer_and_another_after_it_left(url: str, session_id: str) -> None:
    with attached(url, session_id) as first:
        taken(first, 1)
        with attached(url, session_id) as second:
            assert (second.status, second.body["detail"]) == (
                409,
                "Only one SSE consumer may be attached to a live session at a time",
            )

    def free() -> bool:
        with attached(url, session_id) as next_one:
            return next_one.status == 200

    until(free)


def test_a_consumer_that_nobody_saw_leave_loses_its_place_to_one_that_wants_it(
    url: str, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on AWS, where the function runs on. One that is still there resumes at once."""
    monkeypatch.setattr(store, "_SURE_MS", 0)
    monkeypatch.setattr(event_stream, "RENEW_SECONDS", 0.1)
    with attached(url, session_id) as first:
        heard = taken(first, 2)
        with attached(url, session_id) as other:
            assert other.status == 409
        assert list(first) == []
        with attached(url, session_id) as other:
            assert other.status == 409
        with attached(url, session_id, heard[-1].id) as again:
            assert again.status == 200


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({"x-api-key": "alice"}, "", 200),
        ({}, "?api_key=alice", 200),
        ({}, "", 401),
        ({"x-api-key": "unknown"}, "", 401),
        ({"x-api-key": ""}, "?api_key=", 401),
        ({"Authorization": "Bearer nonsense"}, "", 401),
        ({"Authorization": "Basic alice"}, "", 401),
        ({}, "?token=nonsense", 401),
        ({"x-api-key": "bob"}, "", 404),
        ({"x-api-key": "namesake"}, "", 404),
    ],
)
def test_who_may_listen(
    url: str, session_id: str, headers: dict[str, str], query: str, status: int
) -> None:
    with opened(f"{url}/analyze/live/{session_id}/events{query}", headers=headers) as stream:
        assert stream.status == status
        if status == 401:
            assert stream.body["detail"] == "Invalid or missing API key"


@pytest.mark.parametrize("session_id", ["live_00000000", "live_", "..%2f", "%00", "x" * 3000])
def test_an_unknown_session_is_a_problem(url: str, session_id: str) -> None:
    with attached(url, session_id) as stream:
        assert stream.status == 404
        assert stream.headers["content-type"] == "application/problem+json"
        assert stream.body["code"] in ("SESSION_NOT_FOUND", "NOT_FOUND")


@pytest.mark.parametrize("given", ["99", "one", "1.nonsense", "-1"])
def test_an_id_that_was_never_given_is_refused(url: str, session_id: str, given: str) -> None:
    with attached(url, session_id, given) as stream:
        assert (stream.status, stream.body["field"]) == (400, "Last-Event-ID")


def test_a_stream_ends_before_its_function_does(url: str, session_id: str) -> None:
    """Lambda would break it off, and an end can be told from a failure."""
    heard: list[Sent] = []
    resume_by = ""
    while len(heard) < 2:  # one of half a second ends, however much of it was told
        deadline = round(1000 * (time.time() + 15.5))
        context = {"x-amzn-lambda-context": json.dumps({"deadline": deadline})}
        with attached(url, session_id, resume_by, **context) as stream:
            heard += stream
        resume_by = stream.last_event_id
    assert [sent.type for sent in heard] == ["status", "status"]
    end(session_id)
    with attached(url, session_id, resume_by) as stream:
        assert [sent.type for sent in stream] == ["done"]
