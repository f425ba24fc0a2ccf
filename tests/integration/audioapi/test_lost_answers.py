"""A service has done what it was asked to, and its answer is lost: the SDK asks again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from moto.core.botocore_stubber import BotocoreStubber

from audioapi import objects, settings, tables
from audioapi.clock import now_ms
from audioapi.streaming import assembly, store
from audioapi.streaming.models import Status
from tests.audio import pcm, samples_of
from tests.integration.audioapi.faults import DeadError, die
from tests.integration.audioapi.sessions import CLOSE, audio, connect, kept, received, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.template.model import Stack

AUDIO = pcm(rate=16000, channels=1, seconds=0.2)


class Lost:
    """Whose answers are lost, once each: names of operations. All of them, if there is none."""

    def __init__(self) -> None:
        self.operations: list[str] = []

    def __call__(self, *operations: str) -> None:
        self.operations = list(operations)


@pytest.fixture
def lose(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lost]:
    lost = Lost()
    send = BotocoreStubber.__call__

    def answer(self: BotocoreStubber, event_name: str, request: Any, **_: Any) -> Any:
        response = send(self, event_name, request)
        if (operation := event_name.rpartition(".")[2]) in lost.operations:
            lost.operations.remove(operation)
            raise ConnectionClosedError(endpoint_url=request.url)
        return response

    monkeypatch.setattr(BotocoreStubber, "__call__", answer)
    yield lost
    assert lost.operations == []


@pytest.fixture
def table(stack: Stack) -> str:
    return settings.streaming().streams_table


KEY = {"pk": "one", "sk": "session"}


def test_a_new_item_is_known_as_ones_own(table: str, lose: Lost) -> None:
    lose("PutItem")
    assert tables.put_new(table, {**KEY, "by": "us"}, key="pk")
    assert not tables.put_new(table, {**KEY, "by": "others"}, key="pk")


def test_a_change_is_made_once_and_known_as_ones_own(table: str, lose: Lost) -> None:
    tables.put_new(table, {**KEY, "count": 1, "status": "open"}, key="pk")
    names = {"#status": "status", "#count": "count"}
    change = "SET #status = :done ADD #count :one"
    lose("UpdateItem")
    values = {":done": "done", ":one": 1, ":open": "open"}
    changed = tables.update_if(table, KEY, change, "#status = :open", values, names=names)
    assert changed is not None
    assert (changed["count"], changed["status"]) == (2, "done")
    assert tables.update_if(table, KEY, change, "#status = :open", values, names=names) is None


def test_a_count_counts_once(table: str, lose: Lost) -> None:
    lose("UpdateItem")
    anything = "attribute_not_exists(pk) OR active < :most"
    counted = tables.update_if(table, KEY, "ADD active :one", anything, {":one": 1, ":most": 9})
    assert counted is not None
    assert counted["active"] == 1


def test_an_object_is_known_as_ones_own_and_others_as_others(table: str, lose: Lost) -> None:
    bucket = settings.streaming().audio_bucket
    lose("PutObject")
    assert objects.put_once(bucket, "key", b"bytes")
    assert not objects.put_once(bucket, "key", b"bytes")
    with pytest.raises(objects.TakenError):
        objects.put_once(bucket, "key", b"other bytes")


@pytest.fixture
def session_id(stack: Stack) -> str:
    return str(connect(sample_rate="16000")["session_id"])


def samples(session_id: str) -> bytes:
    key = kept(session_id).file_path
    assert key is not None
    return samples_of(objects.read(settings.streaming().audio_bucket, key))


@pytest.mark.parametrize(
    "operations", [("PutObject",), ("UpdateItem",), ("PutObject", "UpdateItem")]
)
def test_a_chunk_is_acknowledged_and_in_the_file(
    session_id: str, lose: Lost, operations: tuple[str, ...]
) -> None:
    lose(*operations)
    assert say(audio(AUDIO, 0))["chunk_count"] == 1
    say({**CLOSE, "chunk_count": 1})
    assembly.assemble_session(session_id)
    assert samples(session_id) == AUDIO


@pytest.mark.parametrize("numbered", [True, False])
def test_what_could_not_be_counted_is_in_the_file(
    session_id: str, monkeypatch: pytest.MonkeyPatch, *, numbered: bool
) -> None:
    """All commits are throttled: the objects are what there is."""
    with monkeypatch.context() as patch:
        patch.setattr(store, "commit_chunk", throttled)
        answer = say(audio(AUDIO, 0 if numbered else None))
    assert answer["status"] == "error"
    assert ("retry" in answer) is numbered
    say(CLOSE)
    assembly.assemble_session(session_id)
    assert samples(session_id) == AUDIO
    assert kept(session_id).total_chunks == 1


def throttled(*_: object, **__: object) -> Any:
    raise ClientError({"Error": {"Code": "ThrottlingException"}}, "UpdateItem")


def test_the_end_of_a_session_is_told(session_id: str, lose: Lost) -> None:
    say(audio(AUDIO, 0))
    say(CLOSE)
    received("JobsQueue")
    store.seal(session_id)
    lose("UpdateItem", "UpdateItem")  # once more sealed, and completed
    assembly.assemble_session(session_id)
    assert kept(session_id).status is Status.COMPLETED
    assert [told["frame"]["message"] for told in received("NotificationsQueue")] == [
        "Audio file ready"
    ]


def test_who_finds_a_session_finished_by_another_tells_of_it(
    session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one may have died before it could."""
    say(audio(AUDIO, 0))
    say(CLOSE)
    complete = store.complete

    def be_slower(*given: Any, **named: Any) -> None:
        complete(*given, **named)

    monkeypatch.setattr(store, "complete", be_slower)
    assembly.assemble_session(session_id)
    assert len(received("NotificationsQueue")) == 1


def test_a_session_that_was_given_up_is_told_of_until_it_could_be(
    session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(audio(AUDIO, 0))
    say(CLOSE)
    with monkeypatch.context() as patch:
        patch.setattr(assembly, "_announce", die)
        with pytest.raises(DeadError):
            assembly.give_up(session_id)
    assert received("NotificationsQueue") == []
    assembly.give_up(session_id)
    assert len(received("NotificationsQueue")) == 1


def test_a_session_that_was_given_up_can_be_closed_again(session_id: str) -> None:
    say(audio(AUDIO, 0))
    say(CLOSE)
    assembly.give_up(session_id)
    assert kept(session_id).status is Status.ERROR
    received("JobsQueue")
    assert say(CLOSE)["status"] == "completed"
    [job] = received("JobsQueue")
    assert job == {"type": "assemble_session", "session_id": session_id}
    assembly.assemble_session(session_id)
    finished = kept(session_id)
    assert (finished.status, finished.error) == (Status.COMPLETED, None)
    assert samples(session_id) == AUDIO


def test_other_bytes_of_a_taken_number_are_refused(session_id: str) -> None:
    say(audio(AUDIO, 0))
    answer = say(audio(AUDIO[2:], 0))
    assert answer["status"] == "error"
    assert answer["error"].startswith("seq is taken")
    assert (answer["seq"], answer["next_seq"]) == (0, 1)
    assert say(audio(AUDIO, 0))["message"] == "Chunk processed successfully"


@pytest.fixture
def meanwhile(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What others do between a write to a session, whose answer is lost, and its second try."""
    others: list[Callable[[], object]] = []
    send = BotocoreStubber.__call__

    def answer(stub: BotocoreStubber, event_name: str, request: Any, **_: Any) -> Any:
        response = send(stub, event_name, request)
        if others and event_name.endswith("UpdateItem") and b"session#" in request.body:
            others.pop()()
            raise ConnectionClosedError(endpoint_url=request.url)
        return response

    monkeypatch.setattr(BotocoreStubber, "__call__", answer)
    return others


def test_no_chunk_is_counted_twice(session_id: str, meanwhile: list[Callable[[], object]]) -> None:
    meanwhile.append(lambda: say(audio(AUDIO, 1)))
    assert say(audio(AUDIO, 0))["chunk_count"] == 2


def test_a_close_has_its_file_made_whoever_wrote_meanwhile(
    session_id: str, meanwhile: list[Callable[[], object]]
) -> None:
    say(audio(AUDIO, 0))
    meanwhile.append(lambda: say(audio(AUDIO, 1), at=now_ms() - 1000))
    say(CLOSE)
    assert kept(session_id).job_sent
    assert received("JobsQueue")
