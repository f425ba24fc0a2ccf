"""The jobs queue: everything that takes longer than a request, one job a message."""

from __future__ import annotations

from typing import Any

from audioapi import jobs, settings
from audioapi.streaming import assembly

settings.streaming()

WORK = {
    "assemble_session": assembly.assemble_session,
    "fold_chunks": assembly.fold_chunks,
}


def work(message: dict[str, Any], _: jobs.Delivery) -> None:
    WORK[message.pop("type")](**message)


lambda_handler = jobs.handler(work, queue_url=settings.streaming().jobs_queue_url)
