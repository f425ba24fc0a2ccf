"""The jobs' dead-letter queue: tells whoever waits for the work that it has failed, and why."""

from __future__ import annotations

from typing import Any

from audioapi import jobs, settings
from audioapi.streaming import assembly

settings.streaming()

GIVE_UP = {
    "assemble_session": assembly.give_up,
    "fold_chunks": assembly.fold_failed,
}


def mark_failed(message: dict[str, Any], _: jobs.Delivery) -> None:
    GIVE_UP[message.pop("type")](**message)


lambda_handler = jobs.handler(mark_failed, queue_url=settings.jobs_failed().jobs_failed_queue_url)
