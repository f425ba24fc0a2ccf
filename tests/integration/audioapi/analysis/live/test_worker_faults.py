"""A live worker that dies, or whose services fail, at any call: what is told is always the same."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from audioapi import queues, settings
from audioapi.analysis import conversation
from audioapi.analysis.agents import Agents
from audioapi.analysis.live import chunks, worker
from audioapi.analysis.live.event_log import EventLog
from tests import audio
from tests.integration import moto_state
from tests.integration.audioapi.analysis.live.live_calls import control, kept, let_in, send, started
from tests.integration.audioapi.analysis.live.live_worker_calls import (
    PAUSE,
    RATE,
    SPEECH,
    FakeRecogniser,
    artifact,
    do,
    next_message,
    objects_of,
    plain,
)
from tests.integration.audioapi.faults import Calls, Fault, Wire, each_in_turn, tapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audioapi.analysis.live.models import LiveSession
    from local.template.model import Stack
    from tests.soak import Soak

TALK = audio.wav((SPEECH[: 2 * 2 * RATE] + PAUSE) * 2, rate=RATE, channels=1)
"""Two utterances, each of which is spoken of twice before it is over."""
CHUNKS = TALK[:40_000], TALK[40_000 : len(TALK) // 2], TALK[len(TALK) // 2 :]
"""The first utterance is in two of them."""
_DELIVERIES = 20


@pytest.fixture
def wire(own_clients: None) -> Iterator[Wire]:
    with tapped() as wire:
        yield wire


@pytest.fixture(autouse=True)
def _quick(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that hears at once, and rests as soon as the first utterance is told."""
    logs: list[EventLog] = []

    class Noted(EventLog):
        def __init__(self, session: LiveSession) -> None:
            super().__init__(session)
            logs.append(self)

    class Settings:
        live_queue_url = settings.live().live_queue_url

        @property
        def live_idle_seconds(self) -> float:
            return 0 if logs[-1].cursor.utterances else math.inf

    monkeypatch.setattr(worker, "EventLog", Noted)
    monkeypatch.setattr(settings, "live", Settings)
    monkeypatch.setattr(chunks, "_LATER_SECONDS", 0.02)
    monkeypatch.setattr(chunks, "_FOLDED_CHUNKS", 2)
    monkeypatch.setattr(conversation, "configured", FakeRecogniser)
    monkeypatch.setattr(Agents, "take_latencies", lambda _: {})  # forty numbers an utterance
    # It calls when it likes, and whether that fails is nothing to the work (test_jobs).
    monkeypatch.setattr(queues, "held", lambda *_, **__: nullcontext())


def deliver(wire: Wire, calls: Calls) -> None:
    """Messages come again until they are done."""
    deliveries = 0
    while message := next_message():
        deliveries += 1
        assert deliveries < _DELIVERIES
        with wire.watched(calls):
            do(message)


def outcome(session_id: str) -> Any:
    session = kept(session_id)

    def kept_json(name: str) -> Any:
        text = artifact(session.conversation_id, name).decode()
        return json.loads(text.replace(session.conversation_id, "CONVERSATION"))

    outputs = kept_json("agent_outputs.json")
    del outputs["agent_results"]  # of the run that came to the end
    return {
        "events": plain(session_id),
        "status": session.status,
        "chunks": objects_of(session_id),
        "upload": artifact(session.conversation_id, "upload.wav"),
        "timeline": kept_json("timeline.json"),
        "outputs": outputs,
    }


def begin() -> str:
    """A session whose first utterance waits for the worker; its id."""
    let_in()
    session_id = started(suffix=".wav")
    for seq, chunk in enumerate(CHUNKS[:2]):
        send(session_id, seq, chunk)
    return session_id


def finish(session_id: str) -> None:
    send(session_id, 2, CHUNKS[2])
    control(session_id, "finalize")


def test_the_undisturbed_run_is_whole(wire: Wire) -> None:
    session_id, calls = begin(), Calls(Fault.DEATH)
    deliver(wire, calls)
    finish(session_id)
    deliver(wire, calls)
    found = outcome(session_id)
    kinds = [kind for kind, _ in found["events"]]
    assert kinds.count("partial_transcript") > 1
    assert kinds.count("final_transcript") == 2
    assert kinds[-3:] == ["summary_update", "status", "done"]
    assert found["upload"] == TALK
    assert found["chunks"] == []
    assert {"TransactWriteItems", "UploadPart", "PutObject", "DeleteObjects"} <= set(calls.names)
    assert len(calls.names) > 15


@pytest.mark.soak
@pytest.mark.parametrize("fault", Fault)
def test_whichever_call_is_the_last_the_end_is_the_same(
    wire: Wire, fault: Fault, soak: Soak
) -> None:
    """The worker is killed before a call, the call fails, or it is done and its answer lost; the
    message is given out again, and all that was told and kept is the same.
    """
    session_id, first, second = begin(), Calls(fault), Calls(fault)
    begun = moto_state.copied()
    deliver(wire, first)
    finish(session_id)
    paused = moto_state.copied()
    deliver(wire, second)
    expected = outcome(session_id)

    for calls in each_in_turn(first, soak):
        moto_state.put_back(begun)
        deliver(wire, calls)
        finish(session_id)
        deliver(wire, Calls())
        assert outcome(session_id) == expected, calls.struck
    for calls in each_in_turn(second, soak, done=first.kinds):
        moto_state.put_back(paused)
        deliver(wire, calls)
        assert outcome(session_id) == expected, calls.struck
