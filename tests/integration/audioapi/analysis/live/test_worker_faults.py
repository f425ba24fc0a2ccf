"""A live worker that dies, or whose services fail, at any call: what is told is always the same."""

from __future__ import annotations

import json
from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from audioapi import objects, queues, settings, tables
from audioapi.analysis import conversation
from audioapi.analysis.live import chunks
from tests import audio
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
from tests.integration.audioapi.faults import BrokenError, Calls, DeadError, Fault, counted

if TYPE_CHECKING:
    from local.template.model import Stack

TALK = audio.wav((SPEECH[: 2 * 2 * RATE] + PAUSE) * 2, rate=RATE, channels=1)
"""Two utterances, each of which is spoken of once before it is over."""
CHUNKS = audio.chunks(TALK, len(TALK) // 3 + 1)
_DELIVERIES = 20

pytestmark = pytest.mark.timeout(1200)  # a minute each, if nobody else wants the processor


@pytest.fixture(autouse=True)
def _quick(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller, and a worker that waits for nothing and hears at once."""
    let_in()
    impatient: Any = SimpleNamespace(
        live_queue_url=settings.live().live_queue_url, live_idle_seconds=0.05
    )
    monkeypatch.setattr(settings, "live", lambda: impatient)
    monkeypatch.setattr(chunks, "_LATER_SECONDS", 0.02)
    monkeypatch.setattr(chunks, "_FOLDED_CHUNKS", 2)
    monkeypatch.setattr(conversation, "configured", FakeRecogniser)
    # It calls when it likes, and whether that fails is nothing to the work (test_jobs).
    monkeypatch.setattr(queues, "held", lambda *_, **__: nullcontext())


def run(calls: Calls) -> Any:
    """A session that pauses after its second chunk; what there is of it when all is done."""
    session_id = started(suffix=".wav")
    for seq in (0, 1):
        send(session_id, seq, CHUNKS[seq])
    deliver(calls)
    send(session_id, 2, CHUNKS[2])
    control(session_id, "finalize")
    deliver(calls)
    return outcome(session_id)


def deliver(calls: Calls) -> None:
    """Messages come again until they are done."""
    deliveries = 0
    while message := next_message():
        deliveries += 1
        assert deliveries < _DELIVERIES
        try:
            with counted(calls, objects.client(), tables.client(), queues.client()):
                do(message)
        except (DeadError, BrokenError):
            calls.dead = False  # the next worker


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


def test_the_undisturbed_run_is_whole() -> None:
    calls = Calls()
    found = run(calls)
    kinds = [kind for kind, _ in found["events"]]
    assert kinds.count("partial_transcript") > 1
    assert kinds.count("final_transcript") == 2
    assert kinds[-3:] == ["summary_update", "status", "done"]
    assert found["upload"] == TALK
    assert found["chunks"] == []
    assert {"TransactWriteItems", "UploadPart", "PutObject", "DeleteObjects"} <= set(calls.names)


@pytest.mark.parametrize("fault", Fault)
def test_whichever_call_is_the_last_the_end_is_the_same(fault: Fault) -> None:
    """For every call in turn: the worker is killed before it, the call fails, or it is done and its
    answer lost; the message is given out again, and all that was told and kept is the same.
    """
    undisturbed = run(Calls())
    fatal = 0
    while True:
        fatal += 1
        calls = Calls(fatal, fault)
        assert run(calls) == undisturbed, (fatal, calls.names[fatal - 2 : fatal])
        if calls.count < fatal:
            break
    assert fatal > 15
