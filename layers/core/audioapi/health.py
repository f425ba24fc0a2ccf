"""Whether what the API stands on is there: asked all at once, and waited for a few seconds."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel
from sqlalchemy import text

import audioapi
from audioapi import database, objects, queues, settings
from audioapi.observe import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PATIENCE_SECONDS = 5.0
REMEMBERED_SECONDS = 5.0
"""The route is public: whoever asks more often than this is told the same again."""

State = Literal["ok", "failed"]


class Checks(BaseModel):
    database: State
    queue: State
    storage: State


class Health(BaseModel):
    status: Literal["healthy", "unhealthy"]
    service: str = "audio"
    version: str = audioapi.__version__
    checks: Checks


_remembered: tuple[float, Health] | None = None


def health() -> Health:
    """What of it answers. Why something doesn't is in the log, not in the answer."""
    global _remembered  # noqa: PLW0603 — an environment's memory between requests
    if _remembered and time.monotonic() - _remembered[0] < REMEMBERED_SECONDS:
        return _remembered[1]
    checks = Checks.model_validate(
        asked({"database": _database, "queue": _queue, "storage": _storage})
    )
    found = set(checks.model_dump().values())
    _remembered = (
        time.monotonic(),
        Health(status="healthy" if found == {"ok"} else "unhealthy", checks=checks),
    )
    return _remembered[1]


def asked(
    checks: Mapping[str, Callable[[], object]], *, seconds: float = PATIENCE_SECONDS
) -> dict[str, State]:
    """What came of each. One that doesn't answer in time is left alone, in its thread."""
    pool = ThreadPoolExecutor(len(checks))
    going = {name: pool.submit(check) for name, check in checks.items()}
    answered, _ = wait(going.values(), timeout=seconds)
    pool.shutdown(wait=False, cancel_futures=True)
    states: dict[str, State] = {}
    for name, check in going.items():
        failure = check.exception() if check in answered else TimeoutError(f"{seconds} s")
        states[name] = "failed" if failure else "ok"
        if failure:
            logger.warning("health check failed", check=name, reason=repr(failure))
    return states


def _database() -> None:
    database.transaction(lambda session: session.execute(text("SELECT 1")), seconds=1)


def _queue() -> None:
    queues.client().get_queue_attributes(
        QueueUrl=settings.health().jobs_queue_url, AttributeNames=["QueueArn"]
    )


def _storage() -> None:
    objects.client().head_bucket(Bucket=settings.health().audio_bucket)
