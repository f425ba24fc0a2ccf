"""What a recording leaves besides its memories goes with the last of them: a stream session's file
and chunks, and the results of every task that made them.

Each step may be done again. The memories' rows go last, so that a deletion that was cut short can
be found and asked for again; and whoever still works on the recording finds its task failed at the
next step, and removes what it has stored since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioapi.identity import same_owner
from audioapi.memories import service as memories
from audioapi.processing import results, store
from audioapi.streaming import removal
from audioapi.streaming import store as streams

if TYPE_CHECKING:
    from audioapi.identity import Principal
    from audioapi.memories.models import Deleted, Owner
    from audioapi.processing.models import Task


def delete(principal: Principal | None, memory_id: str, *, now: int) -> Deleted:
    """Removes memories, and with the last one of a recording all audio of it but an uploaded file,
    which may be processed again. Raises MemoryNotFoundError, for somebody else's memory too.
    """
    return memories.delete(principal, memory_id, works=forget, now=now)


def forget(owner: Owner, recording_id: str, *, whole: bool) -> int:
    """Removes what is kept of a recording besides its windows, if the whole of it is deleted: also
    if the last window was one that had been expected, and wasn't there. When it was last asked to
    be processed, in epoch milliseconds.
    """
    makers = {task_id: store.task(task_id) for task_id in store.makers(recording_id)}
    tasks = [task for task in makers.values() if task and same_owner(owner, task)]
    if whole:
        for task_id, task in makers.items():
            if task is None or same_owner(owner, task):
                store.discard(task_id)
                results.remove(task_id)
        session = streams.session(recording_id)
        if session is None or same_owner(owner, session):
            removal.remove_audio(recording_id)
    return max((task.created_at for task in tasks), default=0)


def finish(deleted: Task) -> None:
    """Removes what a task kept whose memories were deleted: who did so may have died before. Of a
    file that is there still, other tasks may have been begun since; a session's has this one.
    """
    results.remove(deleted.task_id)
    if deleted.session_id:
        removal.remove_audio(deleted.session_id)
