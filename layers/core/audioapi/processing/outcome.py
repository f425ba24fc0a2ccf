"""A task's end: noted once, then told. What follows from it may be done any number of times."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from audioapi.memories import windows
from audioapi.observe import logger
from audioapi.processing import removal, store
from audioapi.processing.models import Status
from audioapi.webhooks import service as webhooks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audioapi.processing.models import Task, Transcription

_EVENTS = {Status.SUCCESS: "recording.completed", Status.FAILURE: "recording.failed"}


def open_task(task_id: str) -> Task | None:
    """The task if something is left to do. Of a finished one, what follows is done again."""
    task = store.task(task_id)
    if task is None:
        logger.warning("no such task", task_id=task_id)
    elif task.status.finished:
        tell(task)
    else:
        return task
    return None


def succeed(task_id: str, transcription: Transcription) -> None:
    _tell_end(task_id, store.succeed(task_id, transcription))


def fail(task_id: str, reason: str) -> None:
    _tell_end(task_id, store.fail(task_id, reason))


def _tell_end(task_id: str, ended: Task | None) -> None:
    """Also if another delivery ended it: that one may have died since."""
    finished = ended or store.task(task_id)
    if finished and finished.status.finished:
        tell(finished)


def tell(finished: Task) -> None:
    """Marks the memories of a failed task, removes what it stored of those that were deleted, and
    announces it. A redelivered job does it again, as the first one may have crashed before.
    """
    logger.info("task finished", task_id=finished.task_id, status=finished.status)
    memory = recording(finished)
    if memory and finished.status is Status.FAILURE:
        windows.fail(memory)
    if memory:
        windows.tidy(memory)
    if finished.deleted:
        removal.finish(finished)
    webhooks.announce(
        finished.organization_id,
        finished.user_id,
        _EVENTS[finished.status],
        {
            "task_id": finished.task_id,
            "file_id": finished.file_id,
            "memory_id": finished.memory_id,
            "status": finished.status,
            "error": finished.error,
        },
        about=finished.task_id,
    )


def recording(task: Task) -> windows.Recording | None:
    """What its memories are known by; None as long as no file was found. A session's file is asked
    for once: what was ever deleted of it stays so.
    """
    if task.memory_id is None or task.start_time is None:
        return None
    return windows.Recording(
        session_id=task.memory_id,
        organization_id=task.organization_id,
        user_id=task.user_id,
        start_time=task.start_time,
        asked_at=0 if task.session_id else task.created_at,
    )


@contextmanager
def failures_noted(task_id: str) -> Iterator[None]:
    """Keeps why an attempt failed, for whoever gives up on the task."""
    try:
        yield
    except Exception as error:
        store.note_failure(task_id, type(error).__name__)
        raise
