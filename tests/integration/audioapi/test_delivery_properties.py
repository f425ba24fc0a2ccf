"""However a recording is cut, and however its chunks travel, the file has the samples that it has
when it is decoded whole.
"""

from __future__ import annotations

import base64
import itertools
import json
import uuid
from dataclasses import dataclass
from functools import cached_property
from operator import add
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from audioapi import objects
from audioapi.clock import now_ms
from audioapi.settings import streaming
from audioapi.streaming import assembly, chunks, messages, service
from tests.audio import samples_of
from tests.corpus import RECORDINGS, Case, reference
from tests.integration.audioapi.sessions import CLOSE, audio, connect, kept, received, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from local.template.model import Stack

delivered = settings(
    max_examples=5,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each empties it
)
JOBS = {"assemble_session": assembly.assemble_session, "fold_chunks": assembly.fold_chunks}


@dataclass(frozen=True)
class Journey:
    """A case's chunks, and how they travel. `cuts` are where each of its parts is cut; `arrivals`
    the chunks' numbers in the order in which the service sees them. Before some of the arrivals the
    client connects again, and before one the session is closed; `counted` says whether with its
    number of chunks.
    """

    case: Case
    cuts: Sequence[Sequence[int]]
    arrivals: Sequence[int]
    reconnects: frozenset[int]
    closes_before: int
    counted: bool

    @cached_property
    def chunks(self) -> list[bytes]:
        return [
            part[start:end]
            for part, at in zip(self.case.sent(), self.cuts, strict=True)
            for start, end in itertools.pairwise([0, *at, len(part)])
        ]


@st.composite
def journeys(draw: st.DrawFn) -> Journey:
    case = draw(st.sampled_from(RECORDINGS))
    at = [draw(cuts(len(part))) for part in case.sent()]
    numbers = range(sum(map(len, at)) + len(at))
    again = draw(st.lists(st.sampled_from(numbers), max_size=4))
    sent = [*numbers, *again]
    delays = draw(st.lists(st.just(0) | st.integers(0, 9), min_size=len(sent), max_size=len(sent)))
    arrivals = [number for _, number in sorted(zip(map(add, sent, delays), sent, strict=True))]
    closes_before = draw(st.just(len(arrivals)) | st.integers(0, len(arrivals)))
    reconnects = draw(st.frozensets(st.integers(0, closes_before), max_size=3))
    return Journey(case, at, arrivals, reconnects, closes_before, draw(st.booleans()))


def cuts(length: int) -> st.SearchStrategy[list[int]]:
    """Up to three places, with a liking for the beginning, where the headers are."""
    places = st.integers(1, length - 1) | st.integers(1, min(length - 1, 200))
    return st.sets(places, max_size=3).map(sorted)


class Client:
    """Takes a journey. Chunks were sent, and received by the gateway, a millisecond apart."""

    def __init__(self, journey: Journey) -> None:
        self.journey = journey
        self.started = now_ms()
        self.connections: list[str] = []
        case = journey.case
        self.session_id: str = self.connect(
            sample_rate=str(case.sample_rate), channels=str(case.channels), format=case.declared
        )["session_id"]

    def connect(self, **query: str) -> dict[str, Any]:
        self.connections.append(uuid.uuid4().hex)
        return connect(self.connections[-1], None, **query)

    def travel(self, *, numbered: bool) -> None:
        arrivals = self.journey.arrivals
        for position in range(len(arrivals) + 1):
            if position in self.journey.reconnects:
                greeting = self.connect(session_id=self.session_id)
                if numbered:
                    assert greeting["next_seq"] == first_missing(arrivals[:position])
            if position in {*self.journey.reconnects, self.journey.closes_before}:
                work()
            if position == self.journey.closes_before:
                self.close()
            for number in arrivals[position : position + 1]:
                self.send(number, numbered=numbered)
        for connection in self.connections:
            service.disconnect(connection)

    def send(self, number: int, *, numbered: bool) -> None:
        """By one of the connections that there were: their messages overtake each other, too."""
        data = self.journey.chunks[number]
        binary = not numbered and number % 3 == 0
        message = audio(data, number if numbered else None)
        answer = messages.receive(
            base64.b64encode(data).decode() if binary else json.dumps(message),
            binary=binary,
            connection_id=self.connections[number % len(self.connections)],
            message_id=f"m{number}",
            received_at=self.started + number,
        )
        assert answer is not None
        assert answer["message"] == "Chunk processed successfully", answer

    def close(self) -> None:
        count = {"chunk_count": len(self.journey.chunks)} if self.journey.counted else {}
        sent = self.started + len(self.journey.chunks)
        answer = say({**CLOSE, **count}, self.connections[-1], at=sent)
        assert answer["message"] == "Session closed successfully"


def first_missing(arrived: Sequence[int]) -> int:
    return next(number for number in itertools.count() if number not in arrived)


def work() -> None:
    """What the worker does meanwhile."""
    while jobs := received("JobsQueue"):
        for job in jobs:
            JOBS[job["type"]](job["session_id"])


def check(client: Client) -> None:
    session = kept(client.session_id)
    note(str(session))
    assert session.missing_chunks == []
    assert session.error is None
    assert session.total_chunks == len(client.journey.chunks)
    assert session.bytes_received == sum(map(len, client.journey.chunks))
    made = objects.read(streaming().audio_bucket, str(session.file_path))
    assert samples_of(made) == reference.samples(client.journey.case)


@pytest.fixture(autouse=True)
def _fold_soon(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "FOLD_EVERY", 3)


@delivered
@given(journey=journeys())
def test_numbered_chunks_find_their_places(empty: Callable[[], None], journey: Journey) -> None:
    empty()
    client = Client(journey)
    client.travel(numbered=True)
    work()
    check(client)


@delivered
@given(journey=journeys())
def test_other_chunks_go_by_when_they_were_received(
    empty: Callable[[], None], journey: Journey
) -> None:
    """A message that the gateway hands over twice is the same message."""
    empty()
    client = Client(journey)
    client.travel(numbered=False)
    work()
    check(client)
