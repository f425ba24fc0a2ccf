"""Processing's two functions, called as the gateway does, and the worker as its queue does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audioapi import objects, settings
from audioapi.clock import now_ms
from audioapi.processing import dead_letters, store, transcripts, work
from audioapi.recordings import recording_key
from tests.integration.audioapi.functions import app
from tests.integration.audioapi.sessions import received
from tests.unit.audioapi.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable

    from audioapi.processing.models import Task

USER, ORGANIZATION = "dev-user", "acme-corp"
KEY = "dev-key"
WORK: dict[str, Callable[..., None]] = {
    "process_recording": work.process_recording,
    "process_session": work.process_session,
    "transcribe_part": transcripts.transcribe_part,
    "merge_transcript": transcripts.merge_transcript,
    "transcript_ready": transcripts.transcript_ready,
}
GIVE_UP: dict[str, Callable[..., None]] = {
    "process_recording": dead_letters.recording,
    "process_session": dead_letters.session,
    "transcribe_part": dead_letters.part,
    "merge_transcript": dead_letters.recording,
    "transcript_ready": dead_letters.amazon_job,
}


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any


def ask_for_processing(
    user_id: str = USER, *, key: str | None = KEY, idempotency_key: str | None = None, **query: str
) -> Answer:
    event = _event("process_audio", key)
    event["rawPath"] = f"/process_audio_v2/{user_id}"
    event["pathParameters"] = {"user_id": user_id}
    event["queryStringParameters"] = query
    if idempotency_key:
        event["headers"]["idempotency-key"] = idempotency_key
    return _answer("process_audio", event)


def ask_for_task(task_id: str, *, key: str | None = KEY) -> Answer:
    event = _event("audio_task_get", key)
    event["rawPath"] = f"/get_audio_task/{task_id}"
    event["pathParameters"] = {"task_id": task_id}
    return _answer("audio_task_get", event)


def started(**query: str) -> str:
    """The id of a task that waits in the queue."""
    answer = ask_for_processing(**query)
    assert answer.status == 200, answer.body
    task_id: str = answer.body["task_id"]
    return task_id


def finished(task_id: str) -> Any:
    """What the caller sees of a task when all jobs are done."""
    do_jobs()
    return ask_for_task(task_id).body


def do_jobs(*, times: int = 1) -> None:
    """What the worker does with the jobs that wait, each of which comes so many times."""
    while jobs := received("JobsQueue"):
        for job in jobs:
            for _ in range(times):
                do(job)


def do(job: dict[str, Any]) -> None:
    WORK[job["type"]](**{name: value for name, value in job.items() if name != "type"})


def give_up(job: dict[str, Any]) -> None:
    GIVE_UP[job["type"]](**{name: value for name, value in job.items() if name != "type"})


def put_recording(data: bytes, name: str = "67890.m4a", user_id: str = USER) -> str:
    """Puts a file where uploads put it; its key."""
    key = recording_key(ORGANIZATION, user_id, name)
    objects.client().put_object(Bucket=bucket(), Key=key, Body=data)
    return key


def made(task_id: str, name: str) -> bytes:
    return objects.read(bucket(), f"processing/{task_id}/{name}")


def kept(task_id: str) -> Task:
    found = store.task(task_id)
    assert found is not None
    return found


def bucket() -> str:
    return settings.processing().audio_bucket


def _event(function: str, key: str | None) -> Any:
    event = json.loads(Path("events", f"{function}.json").read_text())
    event["headers"] = {} if key is None else {"x-api-key": key}
    event["requestContext"]["timeEpoch"] = now_ms()
    return event


def _answer(function: str, event: Any) -> Answer:
    response = app(function).lambda_handler(event, Context())
    return Answer(response["statusCode"], json.loads(response["body"]))
