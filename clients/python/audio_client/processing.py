"""Has a recording processed, and waits for what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from audio_client.errors import ProcessingFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from audio_client.api import Api, Json


def processed(api: Api, recording: Json, on_status: Callable[[Json], None]) -> Json:
    """The finished task, which is the same one if this is called again within a day.

    Raises ProcessingFailedError with the task's reason, besides what `Api.ask` raises.
    """
    query = urlencode({name: recording[name] for name in ("file_id", "file_extension")})
    path = f"/process_audio_v2/{quote(recording['user_id'], safe='')}?{query}"
    started = api.ask("POST", path, Idempotency_Key=f"process-{recording['upload_id']}")
    while True:
        task = api.ask("GET", f"/get_audio_task/{quote(started['task_id'], safe='')}")
        on_status(task)
        if task["status"] == "SUCCESS":
            return task
        if task["status"] == "FAILURE":
            raise ProcessingFailedError(str(task.get("error")))
        api.wait(api.retry.poll)
