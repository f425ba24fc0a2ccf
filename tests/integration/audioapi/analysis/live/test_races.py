"""Chunks and controls that come at once, and functions that die between any two calls: whatever
was acknowledged is what the worker reads, once and in its place.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from audioapi import forms, objects, queues, settings, tables
from audioapi.analysis.live import service
from audioapi.analysis.live.models import Action, ControlRequest
from audioapi.problems import AudioApiError, ConflictError
from tests.forms import CONTENT_TYPE, multipart
from tests.integration.audioapi.analysis.live.live_calls import (
    ALICE,
    chunks,
    kept,
    let_in,
    messages,
    started,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from audioapi.analysis.live.models import TakenChunk
    from local.template.model import Stack
    from tests.soak import Soak

AT_ONCE = 8


@pytest.fixture(autouse=True)
def _callers(stack: Stack) -> None:
    let_in()


def send(session_id: str, seq: int, data: bytes) -> TakenChunk:
    body = multipart(("chunk", "blob", data), ("chunk_seq", None, str(seq).encode()))
    with forms.parsed(CONTENT_TYPE, [body]) as form:
        return service.chunk(ALICE, session_id, form)


def at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """What each of them returned, or how it was refused; they begin together."""
    ready = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        ready.wait()
        try:
            return work()
        except AudioApiError as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@pytest.mark.soak
def test_of_different_chunks_with_one_number_one_is_taken_and_read(soak: Soak) -> None:
    for _ in soak.rounds(4):
        session_id = started()
        send(session_id, 0, b"before")
        bodies = [b"chunk %d" % n for n in range(AT_ONCE)]
        answers = at_once([partial(send, session_id, 1, body) for body in bodies])
        [winner] = [n for n, a in enumerate(answers) if not isinstance(a, ConflictError)]
        for answer in answers[:winner] + answers[winner + 1 :]:
            assert answer.detail == "Expected chunk_seq=2"
        send(session_id, 2, b"after")
        assert chunks(session_id) == [b"before", bodies[winner], b"after"]


@pytest.mark.soak
def test_one_chunk_that_comes_many_times_at_once_is_taken_once(soak: Soak) -> None:
    for _ in soak.rounds(4):
        session_id = started()
        answers = at_once([partial(send, session_id, 0, b"chunk")] * AT_ONCE)
        assert {answer.next_chunk_seq for answer in answers} == {1}
        assert kept(session_id).received_bytes == 5
        assert chunks(session_id) == [b"chunk"]


@pytest.mark.soak
def test_a_chunk_and_the_end_of_its_session_at_once(soak: Soak) -> None:
    """Either the chunk was before the end, or it is refused: none is acknowledged and not read."""
    for _ in soak.rounds(4):
        session_id = started()
        send(session_id, 0, b"one")
        finalize = partial(
            service.control, ALICE, session_id, ControlRequest(action=Action.FINALIZE)
        )
        taken, *ends = at_once([partial(send, session_id, 1, b"two"), finalize, finalize])
        assert sum(isinstance(end, ConflictError) for end in ends) == 1
        refused = isinstance(taken, ConflictError)
        assert chunks(session_id) == ([b"one"] if refused else [b"one", b"two"])
        assert kept(session_id).status.value == "finalizing"


class DeadError(BaseException):
    """The process is gone."""


class BrokenError(Exception):
    """A service is away for one call."""


class Wire:
    """Counts the calls that leave the process. The one of number `fatal` never gets there, or, if
    `lost`, its answer never comes back.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fatal = self.count = 0
        self.lost = False
        self.error: type[BaseException] = DeadError
        for client in (tables.client(), objects.client(), queues.client()):
            made: Any = client
            monkeypatch.setattr(made, "_make_request", self.wrapped(made._make_request))

    def wrapped(self, request: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            self.count += 1
            if self.count != self.fatal:
                return request(*given)
            if self.lost:
                request(*given)
            raise self.error

        return call

    def break_at(self, fatal: int, *, lost: bool, error: type[BaseException]) -> None:
        self.count, self.fatal, self.lost, self.error = 0, fatal, lost, error


@pytest.fixture
def wire(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(monkeypatch)


@pytest.mark.parametrize("error", [DeadError, BrokenError])
@pytest.mark.parametrize("lost", [False, True], ids=["not sent", "answer lost"])
def test_a_chunk_that_gets_no_answer_is_sent_again_and_there_once(
    wire: Wire, error: type[BaseException], *, lost: bool
) -> None:
    fatal = 0
    while True:
        fatal += 1
        wire.break_at(0, lost=lost, error=error)
        session_id = started()
        send(session_id, 0, b"one")
        messages()
        wire.break_at(fatal, lost=lost, error=error)
        try:
            send(session_id, 1, b"two")
        except (DeadError, BrokenError):
            answer = send(session_id, 1, b"two")
            assert (answer.next_chunk_seq, answer.received_bytes) == (2, 6)
        else:
            break
        assert chunks(session_id) == [b"one", b"two"]
        assert messages()[-1]["chunk_seq"] == 1
    assert fatal == 6  # read, object, note, count, message: each of them was the last one


@pytest.mark.parametrize("lost", [False, True], ids=["not sent", "answer lost"])
def test_other_bytes_may_be_sent_for_a_chunk_that_was_not_counted(
    wire: Wire, *, lost: bool
) -> None:
    """A recorder that starts again has no old bytes: an uncounted chunk binds nobody."""
    for fatal in range(1, 6):
        wire.break_at(0, lost=lost, error=DeadError)
        session_id = started()
        send(session_id, 0, b"one")
        wire.break_at(fatal, lost=lost, error=DeadError)
        with pytest.raises(DeadError):
            send(session_id, 1, b"two")
        counted = kept(session_id).next_chunk_seq == 2
        if counted:
            with pytest.raises(ConflictError, match="Expected chunk_seq=2"):
                send(session_id, 1, b"other")
        else:
            send(session_id, 1, b"other")
        assert chunks(session_id) == [b"one", b"two" if counted else b"other"]
        messages()


@pytest.mark.parametrize("lost", [False, True], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("action", ["finalize", "cancel"])
def test_an_end_that_gets_no_answer_is_said_again_and_the_worker_knows(
    wire: Wire, action: str, *, lost: bool
) -> None:
    fatal = 0
    while True:
        fatal += 1
        wire.break_at(0, lost=lost, error=DeadError)
        session_id = started()
        wire.break_at(fatal, lost=lost, error=DeadError)
        wanted = ControlRequest(action=Action(action))
        try:
            service.control(ALICE, session_id, wanted)
        except DeadError:
            try:
                service.control(ALICE, session_id, wanted)
            except ConflictError as refused:
                assert refused.detail == "Session already finalized"  # noqa: PT017 — or it isn't
        else:
            break
        assert [message["action"] for message in messages()] == [action]
    assert fatal > 3


@pytest.mark.parametrize("lost", [False, True], ids=["not sent", "answer lost"])
def test_a_session_is_started_whole_or_not_at_all(wire: Wire, *, lost: bool) -> None:
    wire.break_at(2, lost=lost, error=DeadError)  # after the key's
    with pytest.raises(DeadError):
        started()
    wire.break_at(0, lost=lost, error=DeadError)
    found = tables.client().scan(TableName=settings.analysis().analysis_table)["Items"]
    assert len(found) == (4 if lost else 0)
