"""The queue of live conversations: each message says of which one there is something to hear."""

from __future__ import annotations

from typing import Any

from audioapi import jobs, settings, snapshots
from audioapi.analysis import conversation
from audioapi.analysis.live import worker

settings.analysis()
settings.worker()
snapshots.before(conversation.load)


def look(message: dict[str, Any], delivery: jobs.Delivery) -> None:
    worker.hear(message["session_id"], delivery)


# A conversation's messages all say the same, to look at it: their order doesn't matter.
lambda_handler = jobs.handler(
    look,
    queue_url=settings.live().live_queue_url,
    passing_hours=settings.worker().passing_failure_hours,
)
