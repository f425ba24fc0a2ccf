"""What callers do with processing: start a task, and ask for it."""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from audioapi import idempotency, queues, settings
from audioapi.clock import now_ms
from audioapi.identity import same_owner
from audioapi.problems import AudioApiError, ForbiddenError, TaskNotFoundError, UnprocessableError
from audioapi.processing import results, store
from audioapi.processing.models import SessionFile, Started, Status, Task, TaskInfo
from audioapi.recordings import check_file_id, check_file_name, recording_key

if TYPE_CHECKING:
    from audioapi.identity import Principal
    from audioapi.recordings import Extension

_TASK_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DAY_SECONDS = 24 * 3600
_REQUESTS = uuid.UUID("0a6f3b52-9c1d-4c7e-8f0e-3d9b6a1e52c4")


def start(  # noqa: PLR0913 — the route's parameters
    caller: Principal,
    user_id: str,
    *,
    file_id: str | None,
    extension: Extension,
    file_name: str | None,
    idempotency_key: str | None = None,
    now: int,
) -> Started:
    """Queues the processing of the caller's recording: `{file_id}.{extension}`, else `file_name`. A
    request that comes again with its key within a day begins no other task. `now` is when the
    gateway was asked, in epoch milliseconds: what was deleted before that is made again.

    Raises ForbiddenError for another user's `user_id`, UnprocessableError for a name that no
    recording can have. Whether there is a recording, the task will tell.
    """
    caller.require("write")
    if user_id != caller.user_id:
        raise ForbiddenError("user_id: these are another user's recordings")
    name = _name(file_id, extension, file_name)
    key = recording_key(caller.organization_id, caller.user_id, name)
    new = _task(
        _task_id(key, idempotency_key),
        caller.organization_id,
        caller.user_id,
        file_id=file_id or name,
        key=key,
        now=now,
    )
    if idempotency_key and _is_begun(new):
        _send(new)  # whoever began it may have died before
    else:
        store.add(new)
        _queue(new)
    return Started(task_id=new.task_id)


def add_session(file: SessionFile) -> None:
    """Keeps the task of a stream session's file, whose id is the session's, if it isn't kept."""
    new = _task(
        file.session_id,
        file.organization_id,
        file.user_id,
        file_id=file.session_id,
        key=file.key,
        now=now_ms(),
    )
    known = {"session_id": file.session_id, "start_time": file.start_time}
    store.add_once(new.model_copy(update=known))


def retry(task_id: str) -> bool:
    """Has a task that failed tried again; False if it hasn't. Its memories are pending again."""
    again = store.retry(task_id)
    if again is not None:
        _send(again)
    return again is not None


def info(caller: Principal, task_id: str) -> TaskInfo:
    """Raises TaskNotFoundError for an unknown task and for one of somebody else's alike."""
    caller.require("read")
    found = store.task(task_id) if _TASK_ID.fullmatch(task_id) else None
    if found is None or not same_owner(caller, found):
        raise TaskNotFoundError(task_id)
    result = results.result(found) if found.status is Status.SUCCESS else None
    return TaskInfo.of(found, result)


def _task_id(key: str, idempotency_key: str | None) -> str:
    """A new one, or that of the same request: its answer may never have been kept. `key` names the
    recording, and so its owner.
    """
    asked = json.dumps([key, idempotency_key])
    return str(uuid.uuid5(_REQUESTS, asked) if idempotency_key else uuid.uuid4())


def _is_begun(new: Task) -> bool:
    kept = store.task(new.task_id)
    return kept is not None and idempotency.remembers(kept.created_at, now=new.created_at)


def _task(  # noqa: PLR0913 — by keyword, and each is a part of a task
    task_id: str, organization_id: str, user_id: str, *, file_id: str, key: str, now: int
) -> Task:
    """A new task, which is kept as long as its results."""
    return Task(
        task_id=task_id,
        organization_id=organization_id,
        user_id=user_id,
        file_id=file_id,
        key=key,
        created_at=now,
        updated_at=now,
        ttl=now // 1000 + settings.processing().task_retention_days * _DAY_SECONDS,
    )


def _name(file_id: str | None, extension: str, file_name: str | None) -> str:
    if file_id is not None:
        check_file_id(file_id)
        return f"{file_id}.{extension}"
    if file_name is not None:
        check_file_name(file_name)
        return file_name
    raise UnprocessableError(
        "file_id: it or file_name must say which recording is meant", field="file_id"
    )


def _queue(new: Task) -> None:
    """A task that nobody will work on is not left behind."""
    try:
        _send(new)
    except (BotoCoreError, ClientError) as error:
        store.remove(new.task_id)
        raise AudioApiError("The task could not be queued, and was not started") from error


def _send(task: Task) -> None:
    queues.send(
        settings.processing().jobs_queue_url,
        {"type": "process_recording", "task_id": task.task_id},
    )
