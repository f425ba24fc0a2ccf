"""The worker's part: a recording becomes sound, facts and memories, and then a transcript.

Every job may come twice, late, or after a crash between any two lines. What a step makes is the
same each time it is made, under the same key; what it has finished is noted on the task.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from audioapi.media.errors import LostSoundError, MediaError
from audioapi.memories import windows
from audioapi.observe import logger, measure
from audioapi.processing import analysis, outcome, removal, service, source, store, transcripts
from audioapi.processing.models import SessionFile
from audioapi.processing.source import RecordingError

if TYPE_CHECKING:
    from audioapi.processing.models import Task
    from audioapi.processing.source import Found


def process_recording(task_id: str) -> None:
    """Processes a task's recording. A finished task is announced once more."""
    task = store.start(task_id)
    if task is None:
        outcome.open_task(task_id)
        return
    with outcome.failures_noted(task_id):
        try:
            analysed = task if task.facts else _analyse(task)
        except (MediaError, RecordingError) as error:
            outcome.fail(task_id, str(error))
            return
        except LostSoundError as error:
            logger.error("sound was lost", task_id=task_id, reason=str(error))
            outcome.fail(task_id, str(error))
            return
        if analysed:
            transcripts.begin(analysed)
        else:
            outcome.open_task(task_id)


def process_session(**file: Any) -> None:
    """Processes a SessionFile, in a task of the session's id."""
    session = SessionFile(**file)
    service.add_session(session)
    process_recording(session.session_id)


def _analyse(task: Task) -> Task | None:
    """The task with all but its transcript; None if another delivery has finished it."""
    found = _found(task)
    pinned = store.pin(task, etag=found.etag, size_bytes=found.size, start_time=found.modified)
    recording = outcome.recording(pinned) if pinned else None
    if pinned is None or recording is None:
        return None
    if pinned.etag != found.etag:
        raise RecordingError("The recording was replaced while it was processed")
    store.note_memory(recording.session_id, pinned)
    began = time.monotonic()
    facts = analysis.analyse(pinned, found, recording)
    measure({"RealTimeFactor": (time.monotonic() - began) / facts.duration_seconds})
    if not windows.complete(recording, samples=facts.samples):
        removal.forget(recording, recording.session_id, whole=True)
    return store.analysed(task.task_id, facts)


def _found(task: Task) -> Found:
    found = source.find(task.key)
    if task.session_id is None:  # a session's file is as long as the session was
        source.check_size(found)
    return found
