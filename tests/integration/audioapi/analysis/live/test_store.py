"""What the worker writes: in order, once, and only until the next one takes over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from audioapi import settings, tables
from audioapi.analysis.live import items, store
from audioapi.analysis.live.models import Cursor, Status
from audioapi.analysis.models import Utterance
from audioapi.clock import now_ms
from tests.integration.audioapi.analysis.live.live_calls import (
    DONE,
    SUMMARY,
    chunks,
    control,
    kept,
    let_in,
    send,
    started,
    transcript,
    working,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.template.model import Stack

NOW = 1_795_251_600_000


@pytest.fixture(autouse=True)
def _callers(stack: Stack) -> None:
    let_in()


def utterance(number: int) -> Utterance:
    return Utterance(
        utterance_id=f"utt_{number}",
        speaker="speaker_1",
        t_start=number,
        t_end=number + 1,
        text="Ja",
    )


def told(session_id: str) -> list[Any]:
    return [found.event for found in store.events_after(session_id, 2)]


def test_utterances_and_their_events_are_appended_together() -> None:
    session_id = started()
    cursor = working(session_id)
    assert cursor == Cursor(next_event=3, utterances=0)
    for number in range(2):
        cursor = store.append(
            session_id,
            "worker",
            cursor,
            [transcript("Ja"), transcript("Nein")],
            utterance=utterance(number),
            now=NOW,
        )
    assert cursor == store.cursor(session_id) == Cursor(next_event=7, utterances=2)
    assert store.utterances(session_id) == [utterance(0), utterance(1)]
    numbers = [found.number for found in store.events_after(session_id, 0)]
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_the_next_worker_takes_over_and_knows_how_far_the_last_one_was() -> None:
    session_id = started()
    working(session_id, "first")
    store.rest(session_id, "first", heard_chunks=4)
    assert working(session_id, "second") == Cursor(next_event=3, utterances=0, heard_chunks=4)
    store.rest(session_id, "first", heard_chunks=9)
    cursor = store.append(session_id, "second", working(session_id, "second"), [DONE], now=NOW)
    assert cursor == store.cursor(session_id) == Cursor(4, 0, heard_chunks=4)


def test_of_a_session_that_is_not_there_nothing_is_made() -> None:
    assert store.take_over("live_00000000", "worker") is None
    store.clean_up("live_00000000", now=NOW)
    store.settle("live_00000000", Status.FAILED, now=now_ms())
    assert store.get("live_00000000") is None
    assert store.cursor("live_00000000") is None


def test_a_worker_that_was_taken_over_from_writes_nothing() -> None:
    session_id = started()
    cursor = working(session_id, "first")
    working(session_id, "second")
    with pytest.raises(store.FencedOutError):
        store.append(session_id, "first", cursor, [DONE], utterance=utterance(0), now=NOW)
    with pytest.raises(store.FencedOutError):
        store.end(session_id, "first", cursor, [DONE], Status.FAILED, now=NOW)
    assert told(session_id) == []
    assert store.utterances(session_id) == []
    assert kept(session_id).status is Status.WAITING_MEDIA


def test_a_worker_writes_nothing_twice() -> None:
    """Its own second attempt from where it was before, the first one's answer being lost."""
    session_id = started()
    cursor = working(session_id)
    store.append(session_id, "worker", cursor, [transcript("Ja")], now=NOW)
    with pytest.raises(store.FencedOutError):
        store.append(session_id, "worker", cursor, [transcript("Ja")], now=NOW)
    assert told(session_id) == [transcript("Ja")]


def test_nothing_comes_after_the_end() -> None:
    session_id = started()
    control(session_id, "finalize")
    end = store.end(
        session_id, "worker", working(session_id), [SUMMARY, DONE], Status.COMPLETED, now=NOW
    )
    assert end == store.cursor(session_id)
    assert end.ended is Status.COMPLETED
    assert kept(session_id).status is Status.COMPLETED
    with pytest.raises(store.FencedOutError):
        store.append(session_id, "worker", working(session_id, "worker"), [DONE], now=NOW)
    assert told(session_id) == [SUMMARY, DONE]


@pytest.mark.parametrize(
    ("action", "outcome", "status"),
    [
        ("finalize", Status.COMPLETED, "completed"),
        ("finalize", Status.FAILED, "failed"),
        ("keepalive", Status.FAILED, "failed"),
        ("cancel", Status.CANCELLED, "cancelled"),
        ("cancel", Status.FAILED, "cancelled"),
    ],
)
def test_a_worker_that_died_before_the_routes_knew_is_made_good_for(
    action: str, outcome: Status, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = started()
    control(session_id, action)
    with monkeypatch.context() as broken:
        broken.setattr(store, "settle", lambda *_, **__: None)
        store.end(session_id, "worker", working(session_id), [DONE], outcome, now=NOW)
    [cursor] = [working(session_id)]
    assert cursor.ended is outcome
    store.settle(session_id, outcome, now=now_ms())
    assert kept(session_id).status == status


def test_chunks_are_read_from_any_number_on() -> None:
    session_id = started()
    assert store.chunk_keys(kept(session_id)) == []
    for seq in range(12):
        send(session_id, seq, b"%d" % seq)
    session = kept(session_id)
    every = store.chunk_keys(session)
    assert chunks(session_id) == [b"%d" % seq for seq in range(12)]
    for start in range(13):
        assert store.chunk_keys(session, start) == every[start:]


def test_events_are_given_page_by_page_and_without_gaps() -> None:
    session_id = started()
    cursor = store.append(
        session_id, "worker", working(session_id), [transcript(str(n)) for n in range(9)], now=NOW
    )
    assert [found.number for found in store.events_after(session_id, 3, limit=4)] == [4, 5, 6, 7]
    assert store.events_after(session_id, cursor.next_event - 1) == []
    tables.client().delete_item(
        TableName=settings.analysis().analysis_table,
        Key=tables.marshal(items.numbered_key(session_id, "event", 6)),
    )
    assert [found.number for found in store.events_after(session_id, 3)] == [4, 5]


def test_a_consumers_lease_ends_by_its_time_or_with_the_consumer() -> None:
    session_id = started()
    assert store.attach(session_id, "one", consumer="aa", now=NOW, until=NOW + 100)
    assert not store.attach(session_id, "two", consumer="bb", now=NOW + 99, until=NOW + 200)
    assert store.renew(session_id, "one", until=NOW + 150)
    assert not store.attach(session_id, "two", consumer="bb", now=NOW + 149, until=NOW + 300)
    assert store.attach(session_id, "two", consumer="bb", now=NOW + 150, until=NOW + 300)
    assert not store.renew(session_id, "one", until=NOW + 900)
    store.detach(session_id, "one")
    assert store.renew(session_id, "two", until=NOW + 300)
    store.detach(session_id, "two")
    assert not store.renew(session_id, "two", until=NOW + 300), "one that was on its way"
    assert store.attach(session_id, "three", consumer="cc", now=NOW + 151, until=NOW + 300)


def test_every_item_ends() -> None:
    session_id = started()
    send(session_id, 0, b"one")
    send(session_id, 1, b"two")
    store.append(
        session_id, "worker", working(session_id), [DONE], utterance=utterance(0), now=now_ms()
    )
    store.attach(session_id, "lease", consumer="0123abcd", now=NOW, until=NOW)
    found = [tables.unmarshal(item) for item in _scan()]
    assert len(found) == 8
    for item in found:
        assert isinstance(item["ttl"], int), item["sk"]


def _scan() -> list[Any]:
    return list(tables.client().scan(TableName=settings.analysis().analysis_table)["Items"])


def cancelled(*codes: str) -> ClientError:
    response: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": ""},
        "CancellationReasons": [{"Code": code} for code in codes],
    }
    return ClientError(response, "TransactWriteItems")


class Failing:
    """Fails with these errors before it does what it should."""

    def __init__(self, call: Callable[..., Any], *errors: ClientError) -> None:
        self.call, self.errors = call, list(errors)

    def __call__(self, **given: Any) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return self.call(**given)


def conflict() -> ClientError:
    return ClientError(
        {"Error": {"Code": "TransactionConflictException", "Message": ""}}, "UpdateItem"
    )


@pytest.mark.parametrize(
    "error",
    [
        cancelled("None", "TransactionConflict"),
        cancelled("ThrottlingError", "None"),
        cancelled("ProvisionedThroughputExceeded"),
    ],
    ids=["conflict", "throttled", "exceeded"],
)
def test_what_passes_is_tried_again(error: ClientError, monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = started()
    cursor = working(session_id)
    write = Failing(tables.client().transact_write_items, error, error)
    monkeypatch.setattr(tables.client(), "transact_write_items", write)
    store.append(session_id, "worker", cursor, [DONE], now=NOW)
    assert told(session_id) == [DONE]


def test_a_write_that_meets_a_transaction_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    session_id = started()
    write = Failing(tables.client().update_item, conflict())
    monkeypatch.setattr(tables.client(), "update_item", write)
    assert store.take_over(session_id, "worker") == Cursor(next_event=3, utterances=0)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (cancelled("ConditionalCheckFailed", "TransactionConflict"), store.FencedOutError),
        (cancelled("ValidationError", "None"), ClientError),
    ],
)
def test_what_does_not_pass_is_told(
    error: ClientError, raised: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = started()
    cursor = working(session_id)
    write = Failing(tables.client().transact_write_items, error)
    monkeypatch.setattr(tables.client(), "transact_write_items", write)
    with pytest.raises(raised):
        store.append(session_id, "worker", cursor, [DONE], now=NOW)
    assert told(session_id) == []


def test_a_conflict_that_does_not_end_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "_PAUSES", (0, 0))
    session_id = started()
    cursor = working(session_id)
    write = Failing(tables.client().transact_write_items, *[cancelled("TransactionConflict")] * 9)
    monkeypatch.setattr(tables.client(), "transact_write_items", write)
    with pytest.raises(ClientError, match="TransactionCanceledException"):
        store.append(session_id, "worker", cursor, [DONE], now=NOW)
    assert len(write.errors) == 6
