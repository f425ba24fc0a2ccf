"""A task's states, what they are called for callers, and what a task's memories are known by."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from audioapi.processing.models import Facts, Loudness, Progress, Source, Status, Task
from audioapi.recordings import recording_key

FACTS = Facts(
    samples=48_000,
    duration_seconds=3.0,
    source=Source(
        container="mp3",
        codec="mp3",
        sample_rate=44100,
        channels=2,
        bit_rate=128_000,
        size_bytes=48_000,
    ),
    loudness=Loudness(integrated_lufs=-23.0, range_lu=0.0, true_peak_dbtp=-20.0),
    silence_seconds=0.5,
    windows=1,
    parts=[(0, 24_000), (24_000, 48_000)],
)


def task(**changes: Any) -> Task:
    kept = {
        "task_id": "d91a4f0e-09f1-4c6f-bbde-8fcb7b0a8b7b",
        "organization_id": "acme-corp",
        "user_id": "dev-user",
        "file_id": "67890",
        "key": "recordings/acme-corp/dev-user/67890.m4a",
        "created_at": 1_795_251_600_000,
        "updated_at": 1_795_251_600_000,
        "ttl": 1_797_843_600,
    }
    return Task.model_validate({**kept, **changes})


def test_both_ends_are_final() -> None:
    for status in Status:
        assert not any(end in status.reached_from for end in (Status.SUCCESS, Status.FAILURE))
    assert [status for status in Status if status.finished] == [Status.SUCCESS, Status.FAILURE]


def test_a_job_that_comes_again_begins_again_and_success_needs_a_beginning() -> None:
    assert Status.STARTED in Status.STARTED.reached_from
    assert Status.PENDING not in Status.SUCCESS.reached_from
    assert Status.PENDING in Status.FAILURE.reached_from


@pytest.mark.parametrize(
    ("changes", "phase", "done"),
    [
        ({}, "queued", 0),
        ({"status": "STARTED"}, "analysing", 0),
        ({"status": "STARTED", "facts": FACTS, "done_parts": {1}}, "transcribing", 1),
        ({"status": "STARTED", "facts": FACTS, "done_parts": {1}, "lost_parts": {0}},
         "transcribing", 2),
        ({"status": "SUCCESS", "facts": FACTS, "done_parts": {0, 1}}, "finished", 2),
        ({"status": "FAILURE"}, "finished", 0),
    ],
)  # fmt: skip
def test_progress_tells_what_is_going_on(changes: dict[str, Any], phase: str, done: int) -> None:
    progress = Progress.of(task(**changes))
    assert (progress.phase, progress.transcript_parts_done) == (phase, done)


def test_a_part_that_was_lost_and_then_done_counts_once() -> None:
    assert not task(facts=FACTS, done_parts={0}, lost_parts={0}).transcribed
    assert task(facts=FACTS, done_parts={0}, lost_parts={0, 1}).transcribed


def test_facts_are_kept_as_json_because_dynamodb_has_no_floats() -> None:
    assert task(facts=FACTS.model_dump_json()).facts == FACTS


def test_a_memory_is_a_version_of_a_file_or_a_session() -> None:
    first = task(etag='"1"').memory_id
    assert first == str(uuid.UUID(first))
    assert task(etag='"1"', task_id="another").memory_id == first
    assert task(etag='"2"').memory_id != first
    other = recording_key("other-corp", "dev-user", "67890.m4a")
    assert task(etag='"1"', key=other).memory_id != first
    assert task(session_id="session", etag='"1"').memory_id == "session"
    assert task().memory_id is None


def test_no_two_users_share_a_folder() -> None:
    keys = {
        recording_key("acme-corp", "a", "b.mp3"),
        recording_key("acme-corp", "a/b", "mp3"),
        recording_key("acme-corp", "a%2Fb", "mp3"),
        recording_key("acme-corp/a", "b", "mp3"),
        recording_key("acme-corp", "a", "b/mp3"),
    }
    assert len(keys) == 5
