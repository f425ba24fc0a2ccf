"""The dead-letter queue of live conversations: tells their consumers that they have failed."""

from __future__ import annotations

from typing import Any

from audioapi import jobs, settings
from audioapi.analysis.live import dead_letters

settings.analysis()


def give_up(message: dict[str, Any], _: jobs.Delivery) -> None:
    dead_letters.give_up(**message)


lambda_handler = jobs.handler(give_up, queue_url=settings.live_failed().live_failed_queue_url)
