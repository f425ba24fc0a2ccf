"""A worker that dies, or whose services fail, between any two calls: the end is always the same."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from audioapi import database, objects, settings
from audioapi.processing import service, store, transcripts
from audioapi.recordings import recording_key
from audioapi.speech import parts
from audioapi.speech.transcript import Word
from tests import audio
from tests.integration.audioapi.faults import BrokenError, DeadError
from tests.integration.audioapi.processing_calls import bucket, do
from tests.integration.audioapi.sessions import received, stored
from tests.integration.audioapi.wire import Calls, Wire, tapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audioapi.speech.utterances import Speech
    from local.template.model import Stack

SPEECH = audio.samples_of(Path("local/samples/speech.wav").read_bytes())
RECORDING = audio.wav(SPEECH, rate=16000, channels=1)
_TIMES = {"attempts", "created_at", "updated_at", "ttl", "last_failure", "start_time"}
_DELIVERIES = 20

pytestmark = [pytest.mark.usefixtures("database_secret"), pytest.mark.timeout(600)]


@pytest.fixture
def wire(stack: Stack, database_secret: None) -> Iterator[Wire]:
    with tapped() as wire:
        yield wire


class FakeRecogniser:
    """Hears one word in each utterance: how long it is."""

    name, version, language = "fake", "1", "en-US"

    def words(self, speech: Speech) -> tuple[Word, ...]:
        return (Word(str(len(speech.pcm)), speech.start, speech.end, 1.0),)


@pytest.fixture(autouse=True)
def _three_parts(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording in windows of 3 s, transcribed in three parts."""
    monkeypatch.setenv("TRANSCRIBER", "pocketsphinx")
    monkeypatch.setenv("WINDOW_SECONDS", "3")
    settings.processing.cache_clear()
    settings.memories.cache_clear()
    plan = parts.plan
    monkeypatch.setattr(parts, "plan", lambda seconds, silences: plan(seconds, silences, 2.5))
    monkeypatch.setattr(transcripts, "_recogniser", FakeRecogniser)


def run(wire: Wire, calls: Calls) -> Any:
    """Processes a recording of its own, whose messages come again until they are done; what is
    there afterwards.
    """
    organization, task_id = str(uuid.uuid4()), str(uuid.uuid4())
    key = recording_key(organization, "dev-user", "talk.wav")
    wire.calls = Calls()
    objects.client().put_object(Bucket=bucket(), Key=key, Body=RECORDING)
    store.add(service._task(task_id, organization, "dev-user", file_id="talk", key=key))
    wire.calls = calls
    deliver({"type": "process_recording", "task_id": task_id}, calls, wire)
    wire.calls = Calls()
    return outcome(task_id, organization)


def deliver(first: dict[str, Any], calls: Calls, wire: Wire) -> None:
    waiting, deliveries = [first], 0
    while waiting:
        deliveries += 1
        assert deliveries < _DELIVERIES
        try:
            do(waiting[0])
            waiting.pop(0)
        except (DeadError, BrokenError):
            calls.dead = False  # the next worker
        counted, wire.calls = wire.calls, Calls()
        waiting += received("JobsQueue")
        wire.calls = counted


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
    calls = Calls()
    found = run(wire, calls)
    assert "SUCCESS" in found["task"]
    assert len(found["rows"]) == 3
    assert len(found["objects"]) == 4 + 3 + 3 + 3
    assert len(found["events"]) == 1
    assert {"PutObject", "UpdateItem", "SendMessage", "SQL"} <= set(calls.names)


@pytest.mark.parametrize("dies", [True, False], ids=["death", "failure"])
def test_whichever_call_is_the_last_the_end_is_the_same(wire: Wire, *, dies: bool) -> None:
    """For every call in turn: the worker is killed before it, or the call fails; the message is
    given out again, and rows and objects are those of the undisturbed run, byte for byte.
    """
    undisturbed = run(wire, Calls())
    fatal = 0
    while True:
        fatal += 1
        calls = Calls(fatal, dies)
        assert run(wire, calls) == undisturbed, (fatal, calls.names[fatal - 2 : fatal])
        if calls.count < fatal:
            break
    assert fatal > 30


def test_every_message_may_come_three_times(wire: Wire) -> None:
    undisturbed = run(wire, Calls())
    organization, task_id = str(uuid.uuid4()), str(uuid.uuid4())
    key = recording_key(organization, "dev-user", "talk.wav")
    objects.client().put_object(Bucket=bucket(), Key=key, Body=RECORDING)
    store.add(service._task(task_id, organization, "dev-user", file_id="talk", key=key))
    jobs = [{"type": "process_recording", "task_id": task_id}]
    while jobs:
        for job in jobs * 3:
            do(job)
        unique = {str(sorted(job.items())): job for job in received("JobsQueue")}
        jobs = [*unique.values()]
    assert outcome(task_id, organization) == undisturbed
