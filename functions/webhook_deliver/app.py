"""The webhooks queue: events, which become deliveries, and deliveries, which are tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from audioapi import jobs, settings
from audioapi.webhooks import delivery

settings.webhooks()

WORK: dict[str, Callable[..., None]] = {
    "event": delivery.fan_out,
    "delivery": delivery.deliver,
}


def work(message: dict[str, Any], _: jobs.Delivery) -> None:
    WORK[message.pop("type")](**message)


lambda_handler = jobs.handler(work, queue_url=settings.webhooks().webhooks_queue_url)
