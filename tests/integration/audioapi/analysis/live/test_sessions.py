"""Live sessions as their callers use them: every rule and every refusal of the published page."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from audioapi import settings
from audioapi.analysis.live import service, store
from audioapi.analysis.live.models import LONGEST_MS, Status
from audioapi.analysis.models import Event
from audioapi.clock import now_ms
from tests.integration.audioapi.analysis.live import live_calls
from tests.integration.audioapi.analysis.live.live_calls import (
    DONE,
    chunks,
    control,
    kept,
    let_in,
    messages,
    send,
    send_form,
    set_back,
    start,
    started,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.template.model import Stack

UNKNOWN = (404, "Unknown live session")
FINALIZED = (409, "Session already finalized")


@pytest.fixture(autouse=True)
def _callers(stack: Stack) -> None:
    let_in()


@pytest.fixture
def _one_megabyte(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MAX_FILE_SIZE_MB", "1")
    settings.analysis.cache_clear()
    yield
    settings.analysis.cache_clear()


def ms(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000


def test_a_session_is_started() -> None:
    before = now_ms()
    answer = start()
    assert answer.status == 200
    body = answer.body
    session_id = body["session_id"]
    assert re.fullmatch("live_[0-9a-f]{32}", session_id)
    assert re.fullmatch("liveconv_[0-9a-f]{32}", body["conversation_id"])
    assert body["chunk_endpoint"] == f"/analyze/live/{session_id}/chunk"
    assert body["control_endpoint"] == f"/analyze/live/{session_id}/control"
    stream = settings.live_events().live_events_url
    assert body["events_endpoint"] == f"{stream}analyze/live/{session_id}/events"
    assert (body["next_chunk_seq"], body["status"]) == (0, "waiting_media")
    assert 0 <= ms(body["expires_at"]) - before - 900_000 < 60_000
    phases = [numbered.event.data["phase"] for numbered in store.events_after(session_id, 0)]
    assert phases == ["starting", "waiting_media"]


def test_what_a_session_is_started_with_is_kept() -> None:
    session_id = started(goal="Grüße", filename="a call.webm", suffix=".webm", ttl_seconds=60)
    found = kept(session_id)
    assert (found.goal, found.filename, found.suffix) == ("Grüße", "a call.webm", ".webm")
    assert (found.ttl_seconds, found.expires_at) == (60, found.started_at + 60_000)
    assert kept(started()).suffix == ".mp4"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ttl_seconds", 59),
        ("ttl_seconds", 3601),
        ("ttl_seconds", "soon"),
        ("ttl_seconds", 90.5),
        ("goal", "x" * 2001),
        ("goal", 7),
        ("filename", ""),
        ("filename", "x" * 256),
        ("suffix", "mp4"),
        ("suffix", "."),
        ("suffix", "./../x"),
        ("suffix", ".mp4\n"),
    ],
)
def test_a_start_that_is_malformed_names_the_field(field: str, value: Any) -> None:
    answer = start(**{field: value})
    assert (answer.status, answer.body["code"]) == (400, "INVALID_REQUEST")
    assert answer.body["detail"].startswith(f"{field}: ")


def test_limits_are_allowed() -> None:
    for wanted in ({"ttl_seconds": 60}, {"ttl_seconds": 3600}, {"goal": "x" * 2000}):
        assert start(**wanted).status == 200


def test_a_start_that_is_sent_again_starts_one_session() -> None:
    first = start(goal="launch", headers={"idempotency-key": "17"})
    assert start(goal="launch", headers={"idempotency-key": "17"}) == first
    assert start(goal="other", headers={"idempotency-key": "17"}).status == 422


def test_a_session_that_began_before_ids_were_longer_goes_on() -> None:
    session = kept(started()).model_copy(update={"session_id": "live_7c1f09be"})
    store.create(session, service.OPENING)
    assert send("live_7c1f09be", 0, b"one").status == 200


def test_chunks_are_taken_in_order_and_wake_the_worker() -> None:
    session_id = started()
    before = kept(session_id).expires_at
    first = send(session_id, 0, b"one")
    assert first.status == 200
    second = send(session_id, 1, b"three")
    assert second.body == {
        "session_id": session_id,
        "chunk_seq": 1,
        "received_bytes": 8,
        "next_chunk_seq": 2,
        "expires_at": second.body["expires_at"],
        "status": "processing",
    }
    assert ms(second.body["expires_at"]) >= ms(first.body["expires_at"]) >= before
    assert chunks(session_id) == [b"one", b"three"]
    assert messages() == [
        {"session_id": session_id, "chunk_seq": n, "group": session_id} for n in (0, 1)
    ]


def test_chunk_seq_comes_as_a_file_from_python_clients() -> None:
    """`files={'chunk': data, 'chunk_seq': 3}`, as the published client has it."""
    session_id = started()
    answer = send_form(session_id, ("chunk", "chunk", b"one"), ("chunk_seq", "chunk_seq", b"0"))
    assert (answer.status, answer.body["next_chunk_seq"]) == (200, 1)


def test_a_chunk_that_is_sent_again_is_answered_again() -> None:
    session_id = started()
    first = send(session_id, 0, b"one")
    assert send(session_id, 0, b"one") == first
    assert kept(session_id).received_bytes == 3
    assert chunks(session_id) == [b"one"]


@pytest.mark.parametrize(("seq", "data"), [(0, b"other"), (0, b"one"), (1, b"two!"), (3, b"four")])
def test_a_wrong_late_or_early_chunk_is_told_which_is_expected(seq: int, data: bytes) -> None:
    session_id = started()
    for number, sent in enumerate((b"one", b"two")):
        assert send(session_id, number, sent).status == 200
    answer = send(session_id, seq, data)
    assert answer.refusal == (409, "Expected chunk_seq=2")
    assert (answer.body["code"], answer.body["next_chunk_seq"]) == ("CONFLICT", 2)
    assert chunks(session_id) == [b"one", b"two"]


def test_an_empty_chunk_is_refused() -> None:
    session_id = started()
    answer = send(session_id, 0, b"")
    assert answer.refusal == (400, "Empty chunk data uploaded")
    assert (answer.body["field"], kept(session_id).next_chunk_seq) == ("chunk", 0)


@pytest.mark.parametrize("seq", ["", "-1", "1.0", "one", "+0", " 0", "٣", "1234567890"])
def test_a_chunk_seq_that_is_no_number_is_refused(seq: str) -> None:
    answer = send(started(), seq, b"one")
    assert (answer.status, answer.body["field"]) == (400, "chunk_seq")


def test_a_form_without_a_chunk_or_its_number_is_refused() -> None:
    session_id = started()
    chunk, seq = ("chunk", "blob", b"one"), ("chunk_seq", None, b"0")
    for parts, field in (
        ([seq], "chunk"),
        ([chunk], "chunk_seq"),
        ([chunk, chunk, seq], "chunk"),
        ([chunk, seq, seq], "chunk_seq"),
        ([chunk, seq, ("chunk_seq", "chunk_seq", b"0")], "chunk_seq"),
    ):
        answer = send_form(session_id, *parts)
        assert (answer.status, answer.body["field"]) == (400, field)
    answer = live_calls._call("live_chunk", session_id, "alice", body="no form")
    assert (answer.status, answer.body["field"]) == (400, "Content-Type")


@pytest.mark.usefixtures("_one_megabyte")
def test_chunks_are_no_more_together_than_a_file_may_be() -> None:
    session_id, half = started(), bytes(512 * 1024)
    for seq in (0, 1):
        assert send(session_id, seq, half).status == 200
    answer = send(session_id, 2, b"x")
    assert (answer.status, answer.body["code"]) == (400, "FILE_TOO_LARGE")
    assert (answer.body["field"], answer.body["max_file_size_mb"]) == ("chunk", 1)
    assert kept(session_id).received_bytes == 1024 * 1024


def test_a_session_is_finalized_once() -> None:
    session_id = started()
    send(session_id, 0, b"one")
    messages()
    answer = control(session_id, "finalize")
    assert (answer.status, answer.body["status"]) == (200, "finalizing")
    assert answer.body["next_chunk_seq"] == 1
    assert ms(answer.body["expires_at"]) > now_ms() + 3_000_000
    assert messages() == [{"session_id": session_id, "action": "finalize", "group": session_id}]
    for action in ("finalize", "cancel", "keepalive"):
        assert control(session_id, action).refusal == FINALIZED
    for seq, data in ((1, b"two"), (0, b"one"), (7, b"x")):
        assert send(session_id, seq, data).refusal == FINALIZED
    assert chunks(session_id) == [b"one"]


def test_a_session_is_cancelled_for_a_reason() -> None:
    session_id = started()
    answer = control(session_id, "cancel", reason="The caller hung up")
    assert (answer.status, answer.body["status"]) == (200, "cancelled")
    assert kept(session_id).reason == "The caller hung up"
    assert messages() == [{"session_id": session_id, "action": "cancel", "group": session_id}]
    assert send(session_id, 0, b"one").refusal == FINALIZED


def test_keepalive_extends_an_open_session() -> None:
    session_id = started(ttl_seconds=60)
    set_back(session_id, expires_at=now_ms() + 5_000)
    answer = control(session_id, "keepalive")
    assert (answer.status, answer.body["status"]) == (200, "waiting_media")
    assert ms(answer.body["expires_at"]) > now_ms() + 50_000
    assert messages() == []


def test_nothing_keeps_a_session_alive_for_longer_than_a_day() -> None:
    session_id = started()
    began = now_ms() - LONGEST_MS + 30_000
    set_back(session_id, started_at=began)
    answer = control(session_id, "keepalive")
    assert ms(answer.body["expires_at"]) == began + LONGEST_MS


@pytest.mark.parametrize("action", ["pause", "", "FINALIZE", None, 7, ["cancel"]])
def test_an_unknown_action_names_those_that_there_are(action: object) -> None:
    session_id = started()
    answer = control(session_id, action)
    assert (answer.status, answer.body["code"]) == (400, "INVALID_REQUEST")
    assert answer.body["detail"] == "action: Input should be 'finalize', 'cancel' or 'keepalive'"


def test_a_long_reason_is_refused() -> None:
    session_id = started()
    assert control(session_id, "cancel", reason="x" * 501).status == 400
    assert kept(session_id).status is Status.WAITING_MEDIA


@pytest.mark.parametrize(
    "session_id", ["live_00000000", "live_xyz", "worker", "%23", "live_" * 500]
)
def test_an_unknown_session(session_id: str) -> None:
    assert send(session_id, 0, b"one").refusal == UNKNOWN
    answer = control(session_id, "keepalive")
    assert answer.refusal == UNKNOWN
    assert answer.body["code"] == "SESSION_NOT_FOUND"


@pytest.mark.parametrize("key", ["bob", "namesake"])
def test_somebody_elses_session_answers_as_an_unknown_one(key: str) -> None:
    session_id, unknown = started(), "live_00000000"
    pairs = [
        (send(session_id, 0, b"one", key=key), send(unknown, 0, b"one", key=key)),
        (control(session_id, "finalize", key=key), control(unknown, "finalize", key=key)),
    ]
    for theirs, nobodys in pairs:
        assert theirs.status == nobodys.status == 404
        assert {**theirs.body, "session_id": unknown} == nobodys.body
    assert kept(session_id).status is Status.WAITING_MEDIA


def test_an_expired_session_is_unknown() -> None:
    session_id = started()
    set_back(session_id, expires_at=now_ms())
    assert send(session_id, 0, b"one").refusal == UNKNOWN
    for action in ("finalize", "cancel", "keepalive"):
        assert control(session_id, action).refusal == UNKNOWN
    assert store.expire(session_id, now=now_ms())
    assert kept(session_id).status is Status.EXPIRED


def test_a_session_that_lives_is_not_expired() -> None:
    session_id = started()
    assert not store.expire(session_id, now=now_ms())
    assert send(session_id, 0, b"one").status == 200
    assert store.expire("live_00000000", now=now_ms())


def test_a_session_that_the_worker_ended_takes_nothing_any_more() -> None:
    session_id = started()
    cursor = live_calls.working(session_id)
    store.end(session_id, "worker", cursor, [DONE], Status.FAILED, now=now_ms())
    assert kept(session_id).status is Status.FAILED
    assert send(session_id, 0, b"one").refusal == FINALIZED
    assert control(session_id, "finalize").refusal == FINALIZED


def test_a_session_that_was_delivered_is_unknown() -> None:
    session_id = started()
    store.clean_up(session_id, now=now_ms())
    assert send(session_id, 0, b"one").refusal == UNKNOWN
    assert control(session_id, "keepalive").refusal == UNKNOWN


@pytest.mark.parametrize(
    ("key", "status", "code"), [(None, 401, "INVALID_KEY"), ("reader", 403, "FORBIDDEN")]
)
def test_every_route_wants_a_key_that_may_write(key: str | None, status: int, code: str) -> None:
    session_id = started()
    for answer in (
        start(key=key),
        send(session_id, 0, b"one", key=key),
        control(session_id, "finalize", key=key),
    ):
        assert (answer.status, answer.body["code"]) == (status, code)
    assert kept(session_id).status is Status.WAITING_MEDIA


def test_log_lines_begin_with_the_conversations_id(caplog: pytest.LogCaptureFixture) -> None:
    session_id = started()
    send(session_id, 0, b"one")
    control(session_id, "keepalive")
    conversation_id = kept(session_id).conversation_id
    assert [record.getMessage() for record in caplog.records] == [
        f"[{conversation_id}] live session started",
        f"[{conversation_id}] chunk taken",
        f"[{conversation_id}] live session controlled",
    ]
    assert {vars(record)["conversation_id"] for record in caplog.records} == {conversation_id}


def test_events_keep_their_text() -> None:
    session_id = started()
    cursor = live_calls.working(session_id)
    event = Event(live_calls.SUMMARY.type, {"overview": "Grüße 👋", "n": 0.25, "list": [None, ""]})
    store.append(session_id, "worker", cursor, [event], now=now_ms())
    assert store.events_after(session_id, 2)[0].event == event
