"""The notifications queue: posts greetings and results to the connections they are for."""

from __future__ import annotations

from typing import Any

from audioapi import jobs, settings
from audioapi.streaming import notices

settings.streaming()
settings.gateway()


def notify(message: dict[str, Any], delivery: jobs.Delivery) -> None:
    notices.deliver(message, age_ms=delivery.age_ms)


lambda_handler = jobs.handler(notify, queue_url=settings.streaming().notifications_queue_url)
