"""What becomes of a task whose job failed too often: it ends, with what there is of it."""

from __future__ import annotations

from typing import Any

from audioapi import queues, settings
from audioapi.processing import outcome, service, store
from audioapi.processing.models import SessionFile, Transcription


def recording(task_id: str) -> None:
    """Fails the task, or has it succeed without its transcript if that alone is missing."""
    task = outcome.open_task(task_id)
    if task is None:
        return
    failure = task.last_failure or "the worker ended"
    if task.facts is None:
        outcome.fail(task_id, f"The recording could not be processed (last failure: {failure})")
    else:
        warning = f"The recording was not transcribed (last failure: {failure})"
        outcome.succeed(task_id, Transcription(warnings=[warning]))


def session(**file: Any) -> None:
    """The same for a SessionFile, of whose task there may be nothing yet."""
    failed = SessionFile(**file)
    service.add_session(failed)
    recording(failed.session_id)


def part(task_id: str, part: int) -> None:
    """Leaves the part out of the transcript."""
    task = store.part_lost(task_id, part)
    if task is None:
        outcome.open_task(task_id)
    elif task.transcribed:
        message = {"type": "merge_transcript", "task_id": task_id}
        queues.send(settings.processing().jobs_queue_url, message)


def amazon_job(job_name: str) -> None:
    recording(job_name.removeprefix(settings.processing().transcription_job_prefix))
