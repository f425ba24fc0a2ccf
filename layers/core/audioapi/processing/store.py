"""Tasks in one DynamoDB table. Each step is noted once: what is final never changes again, unless
an operator has a failed one tried again, or its recording's memories are deleted. Beside them is,
under `memory#{memory_id}`, which tasks have made a memory: whoever deletes it finds them by that.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from audioapi import settings, tables
from audioapi.clock import now_ms
from audioapi.processing.models import Facts, Status, Task, Transcription

if TYPE_CHECKING:
    from collections.abc import Mapping


def add(new: Task) -> None:
    tables.client().put_item(TableName=_table(), Item=tables.marshal(_item(new)))


def add_once(new: Task) -> None:
    """Keeps the task if there is none of its id."""
    tables.put_new(_table(), _item(new), key="task_id")


def remove(task_id: str) -> None:
    tables.client().delete_item(TableName=_table(), Key=_key(task_id))


def task(task_id: str) -> Task | None:
    """The task as the last write left it; DynamoDB removes what has expired days later."""
    found = tables.client().get_item(TableName=_table(), Key=_key(task_id), ConsistentRead=True)
    if "Item" not in found:
        return None
    kept = Task.model_validate(tables.unmarshal(found["Item"]))
    return kept if kept.ttl > time.time() else None


def start(task_id: str) -> Task | None:
    """PENDING → STARTED, and counts an attempt; None if the task is finished or unknown."""
    return _update(task_id, Status.STARTED, {}, add={"attempts": 1})


def pin(started: Task, *, etag: str, size_bytes: int, start_time: int) -> Task | None:
    """Notes which version of the recording is processed, the first time."""
    first = {"etag": etag, "size_bytes": size_bytes, "start_time": start_time}
    return _write(
        started.task_id,
        "SET " + ", ".join(f"{name} = if_not_exists({name}, :{name})" for name in first),
        (Status.STARTED,),
        {f":{name}": value for name, value in first.items()},
    )


def note_memory(memory_id: str, maker: Task) -> None:
    """Notes that the task makes that memory, before there is anything of it."""
    tables.client().update_item(
        TableName=_table(),
        Key=_key(_memory(memory_id)),
        UpdateExpression="SET #ttl = :ttl ADD tasks :task",
        ExpressionAttributeNames={"#ttl": "ttl"},
        ExpressionAttributeValues=tables.marshal({":ttl": maker.ttl, ":task": {maker.task_id}}),
    )


def makers(memory_id: str) -> set[str]:
    """Ids of the tasks that made a memory; a stream session's has its own."""
    found = tables.client().get_item(
        TableName=_table(), Key=_key(_memory(memory_id)), ConsistentRead=True
    )
    noted: set[str] = tables.unmarshal(found.get("Item", {})).get("tasks", set())
    return noted | {memory_id}


def discard(task_id: str) -> None:
    """Notes that its memories were deleted, and so its results are. What isn't finished fails."""
    if _update(task_id, Status.FAILURE, {"error": _DELETED, "deleted": True}) is None:
        finished = (Status.SUCCESS, Status.FAILURE)
        _write(task_id, "SET deleted = :yes REMOVE transcription", finished, {":yes": True})


def analysed(task_id: str, facts: Facts) -> Task | None:
    """Notes that all but the transcript is done. As JSON: DynamoDB has no floats."""
    return _update(task_id, Status.STARTED, {"facts": facts.model_dump_json()})


def part_done(task_id: str, part: int) -> Task | None:
    return _update(task_id, Status.STARTED, {}, add={"done_parts": {part}})


def part_lost(task_id: str, part: int) -> Task | None:
    return _update(task_id, Status.STARTED, {}, add={"lost_parts": {part}})


def succeed(task_id: str, transcription: Transcription) -> Task | None:
    """STARTED → SUCCESS; None if the task is finished already."""
    kept = transcription.model_dump(exclude_none=True)
    return _update(task_id, Status.SUCCESS, {"transcription": kept})


def fail(task_id: str, reason: str) -> Task | None:
    """Any open state → FAILURE with the reason that callers see; None if it is finished."""
    return _update(task_id, Status.FAILURE, {"error": reason})


def retry(task_id: str) -> Task | None:
    """FAILURE → PENDING, for whoever has mended what it failed for; None if it hasn't failed."""
    return _write(
        task_id,
        "SET #status = :pending, updated_at = :now REMOVE #error, last_failure",
        (Status.FAILURE,),
        {":pending": Status.PENDING, ":now": now_ms()},
        names={"#error": "error"},
    )


def note_failure(task_id: str, failure: str) -> None:
    """Keeps why the last attempt failed, for whoever gives up on the task."""
    _update(task_id, Status.STARTED, {"last_failure": failure})


_DELETED = "Its memories were deleted while it was processed"


def _memory(memory_id: str) -> str:
    return f"memory#{memory_id}"


def _update(
    task_id: str,
    status: Status,
    changes: Mapping[str, Any],
    *,
    add: Mapping[str, Any] | None = None,
) -> Task | None:
    """Sets the status and what changes, if the status can be reached; None if not."""
    set_to = {"status": status, "updated_at": now_ms(), **changes}
    added = add or {}
    assignments = ", ".join(f"#{name} = :{name}" for name in set_to)
    additions = ", ".join(f"#{name} :{name}" for name in added)
    return _write(
        task_id,
        f"SET {assignments}" + (f" ADD {additions}" if additions else ""),
        status.reached_from,
        {f":{name}": value for name, value in {**set_to, **added}.items()},
        names={f"#{name}": name for name in (*set_to, *added)},
    )


def _write(
    task_id: str,
    update: str,
    only_if: tuple[Status, ...],
    values: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
) -> Task | None:
    allowed = {f":state{i}": state for i, state in enumerate(only_if)}
    written = tables.update_if(
        _table(),
        {"task_id": task_id},
        update,
        f"#status IN ({', '.join(allowed)})",
        {**values, **allowed},
        names={"#status": "status", **(names or {})},
    )
    return None if written is None else Task.model_validate(written)


def _item(new: Task) -> dict[str, Any]:
    return new.model_dump(exclude_none=True, exclude={"done_parts", "lost_parts"})


def _key(task_id: str) -> Any:
    return tables.marshal({"task_id": task_id})


def _table() -> str:
    return settings.processing().tasks_table
