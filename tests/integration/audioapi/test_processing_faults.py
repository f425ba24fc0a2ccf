"""A worker that dies, or whose services fail, between any two calls: the end is always the same."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from audioapi import database, objects, settings
from audioapi.clock import now_ms
from audioapi.processing import service, store, transcripts
from audioapi.recordings import recording_key
from audioapi.speech import parts
from audioapi.speech.transcript import Word
from tests import audio
from tests.integration.audioapi.faults import (
    COMMIT,
    Calls,
    Fault,
    Wire,
    each_in_turn,
    tapped,
)
from tests.integration.audioapi.processing_calls import bucket, do
from tests.integration.audioapi.sessions import received, stored
from tests.soak import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from audioapi.speech.utterances import Speech
    from local.template.model import Stack
    from tests.soak import Soak

SPEECH = audio.samples_of(Path("local/samples/speech.wav").read_bytes())
PARTS = 3 if SECONDS else 2
RECORDING = audio.wav(SPEECH[: 2 * 37_800 * PARTS], rate=16000, channels=1)
"""Of 2.4 s for each part."""
_TIMES = {"attempts", "created_at", "updated_at", "ttl", "last_failure", "start_time"}
_DELIVERIES = 20

pytestmark = pytest.mark.usefixtures("database_secret")


@pytest.fixture
def wire(own_clients: None, database_secret: None) -> Iterator[Wire]:
    with tapped() as wire:
        yield wire


class FakeRecogniser:
    """Hears one word in each utterance: how long it is."""

    name, version, language = "fake", "1", "en-US"

    def words(self, speech: Speech) -> tuple[Word, ...]:
        return (Word(str(len(speech.pcm)), speech.start, speech.end, 1.0),)


@pytest.fixture(autouse=True)
def _parts(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording in windows of 3 s, transcribed in parts of 2.5 s at most."""
    monkeypatch.setenv("TRANSCRIBER", "pocketsphinx")
    monkeypatch.setenv("WINDOW_SECONDS", "3")
    settings.processing.cache_clear()
    settings.memories.cache_clear()
    plan = parts.plan
    monkeypatch.setattr(parts, "plan", lambda seconds, silences: plan(seconds, silences, 2.5))
    monkeypatch.setattr(transcripts, "_recogniser", FakeRecogniser)


def begin() -> tuple[str, str]:
    """A task for a recording of an organization's own; the ids of both."""
    organization, task_id = str(uuid.uuid4()), str(uuid.uuid4())
    key = recording_key(organization, "dev-user", "talk.wav")
    objects.client().put_object(Bucket=bucket(), Key=key, Body=RECORDING)
    made = service._task(task_id, organization, "dev-user", file_id="talk", key=key, now=now_ms())
    store.add(made)
    return task_id, organization


def run(wire: Wire, calls: Calls) -> Any:
    """Processes a recording, whose messages come again until they are done; what is there
    afterwards.
    """
    task_id, organization = begin()
    deliver({"type": "process_recording", "task_id": task_id}, wire, calls)
    return outcome(task_id, organization)


def deliver(first: dict[str, Any], wire: Wire, calls: Calls) -> None:
    waiting, deliveries = [first], 0
    while waiting:
        deliveries += 1
        assert deliveries < _DELIVERIES
        with wire.watched(calls):
            do(waiting[0])
            waiting.pop(0)
        waiting += received("JobsQueue")


def outcome(task_id: str, organization: str) -> Any:
    """Rows, objects and events, without times, and without names that are new in each run."""
    task = store.task(task_id)
    assert task is not None
    memory_id = str(task.memory_id)
    names = {task_id: "TASK", memory_id: "MEMORY", organization: "ORGANIZATION"}

    def plain(value: object) -> str:
        found = re.compile("|".join(map(re.escape, names)))
        return found.sub(lambda match: names[match.group()], str(value))

    keys = stored(bucket(), f"processing/{task_id}/") + stored(bucket(), f"sessions/{memory_id}/")
    columns = "source_window_index, duration_seconds, processing_status, transcript"
    query = text(
        f"SELECT {columns}, end_time - start_time FROM world_mm_segments"  # noqa: S608 — ours
        " WHERE source_session_id = :id ORDER BY source_window_index"
    )
    rows = database.transaction(lambda s: s.execute(query, {"id": memory_id}).all())
    events = {
        plain((message["event_type"], sorted(message["data"].items())))
        for message in received("WebhooksQueue")
    }
    return {
        "task": plain(sorted(task.model_dump(exclude=_TIMES).items())),
        "objects": {plain(key): objects.read(bucket(), key) for key in keys},
        "rows": [plain(row) for row in rows],
        "events": events,
    }


def test_the_undisturbed_run_is_whole(wire: Wire) -> None:
    calls = Calls(Fault.DEATH)
    found = run(wire, calls)
    assert "SUCCESS" in found["task"]
    assert len(found["rows"]) == PARTS
    assert len(found["objects"]) == 4 + PARTS + PARTS + 3
    assert len(found["events"]) == 1
    assert {"PutObject", "UpdateItem", "SendMessage", COMMIT} <= set(calls.names)
    assert len(calls.names) > 10 * PARTS


@pytest.mark.soak
@pytest.mark.parametrize("fault", [Fault.DEATH, Fault.FAILURE])
def test_whichever_call_is_the_last_the_end_is_the_same(
    wire: Wire, empty: Callable[[], None], fault: Fault, soak: Soak
) -> None:
    """The worker is killed before a call, or the call fails; the message is given out again, and
    rows and objects are those of the undisturbed run, byte for byte.
    """
    undisturbed = Calls(fault)
    expected = run(wire, undisturbed)
    for calls in each_in_turn(undisturbed, soak):
        empty()
        assert run(wire, calls) == expected, calls.struck


def test_every_message_may_come_three_times(wire: Wire) -> None:
    undisturbed = run(wire, Calls())
    task_id, organization = begin()
    jobs = [{"type": "process_recording", "task_id": task_id}]
    while jobs:
        for job in jobs * 3:
            do(job)
        unique = {str(sorted(job.items())): job for job in received("JobsQueue")}
        jobs = [*unique.values()]
    assert outcome(task_id, organization) == undisturbed
