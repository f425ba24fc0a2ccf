"""Webhooks' functions, called as the gateway calls them, and their queue on its own clock."""

from __future__ import annotations

import heapq
import itertools
import json
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audioapi import identity, settings
from audioapi.clock import now_ms
from audioapi.identity import Principal
from audioapi.jobs import RetryLaterError
from audioapi.webhooks import delivery, service
from tests.integration.audioapi.functions import app
from tests.integration.audioapi.sessions import received
from tests.unit.audioapi.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

KEY = "dev-key"
DATA = {"task_id": "0b6f7f0e", "duration_seconds": 7.1, "title": "Grüße"}
CRASHED_AFTER_MS = 360_000  # the queue's visibility timeout


class CrashError(Exception):
    """The function's process is killed."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict, compare=False)


class PatientContext(Context):
    """A function that has time left, as a real one's context says."""

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 15_000


def prepared(monkeypatch: pytest.MonkeyPatch) -> Queue:
    """The queue of a deployment that Alice may call, whose webhooks may go to loopback."""
    monkeypatch.setenv("ALLOW_PRIVATE_WEBHOOKS", "true")
    settings.webhooks.cache_clear()
    identity.put_api_key(KEY, Principal("alice", "acme"))
    clock = Clock()
    for module in (delivery, service):
        monkeypatch.setattr(module, "now_ms", clock)
    monkeypatch.setattr(delivery, "JITTER", 0.0)
    return Queue(clock)


def announce(event_type: str = "recording.completed", about: str = "task/1.0") -> None:
    """Something became of Alice's work."""
    service.announce("acme", "alice", event_type, DATA, about=about)


def pauses(attempts: list[Any]) -> list[float]:
    """Seconds from each attempt to the next."""
    times = [datetime.fromisoformat(attempt["at"]).timestamp() for attempt in attempts]
    return [round(later - earlier, 3) for earlier, later in pairwise(times)]


def call(
    function: str,
    *ids: str,
    body: object = None,
    key: str | None = KEY,
    query: dict[str, str] | None = None,
    **headers: str,
) -> Answer:
    """What a function answers to its sample event with other path parameters, body and headers."""
    event = json.loads(Path("events", f"webhook_{function}.json").read_text())
    for (name, sample), wanted in zip(event.get("pathParameters", {}).items(), ids, strict=False):
        event["pathParameters"][name] = wanted
        event["rawPath"] = event["rawPath"].replace(sample, wanted)
        event["requestContext"]["http"]["path"] = event["rawPath"]
    event["headers"] = {"content-type": "application/json"}
    event["headers"] |= {name.replace("_", "-"): value for name, value in headers.items()}
    event["queryStringParameters"] = query or {}
    if key is not None:
        event["headers"]["x-api-key"] = key
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    response = app(f"webhook_{function}").lambda_handler(event, PatientContext())
    return Answer(response["statusCode"], json.loads(response["body"]), response["headers"])


def create(url: str, **members: object) -> Any:
    answer = call("create", body={"url": url, **members})
    assert answer.status == 201, answer.body
    return answer.body


def log(webhook_id: str) -> list[Any]:
    """The webhook's deliveries, newest first."""
    answer = call("deliveries", webhook_id)
    assert answer.status == 200, answer.body
    deliveries: list[Any] = answer.body["deliveries"]
    return deliveries


@dataclass
class Clock:
    """Begins at the real time, as whoever verifies a signature looks there."""

    now: int = field(default_factory=now_ms)

    def __call__(self) -> int:
        return self.now


@dataclass
class Queue:
    """The webhooks queue and its function. A message is due at a time of the clock's, which jumps
    to it.
    """

    clock: Clock
    waiting: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def put(self, message: dict[str, Any], *, in_ms: int = 0) -> None:
        heapq.heappush(self.waiting, (self.clock.now + in_ms, next(self._numbers), message))

    def fetch(self) -> list[dict[str, Any]]:
        """Takes what was sent; SQS would give it out now."""
        sent = received("WebhooksQueue")
        for message in sent:
            self.put(message)
        return sent

    def run(self, *, most: int = 1000) -> None:
        """Until nothing is left, or `most` messages were given out."""
        self.fetch()
        while self.waiting and most:
            self.give(0)
            self.fetch()
            most -= 1

    def give(self, index: int) -> None:
        """Gives the message that is `index`-th due to the function."""
        entry = heapq.nsmallest(index + 1, self.waiting)[-1]
        self.waiting.remove(entry)
        heapq.heapify(self.waiting)
        due, _, message = entry
        self.clock.now = max(self.clock.now, due)
        self._handle(message)

    def _handle(self, message: dict[str, Any]) -> None:
        work: dict[str, Callable[..., None]] = {
            "event": delivery.fan_out,
            "delivery": delivery.deliver,
        }
        told = {name: value for name, value in message.items() if name != "type"}
        try:
            work[message["type"]](**told)
        except RetryLaterError as later:
            self.put(message, in_ms=round(later.seconds * 1000))
        except CrashError:
            self.put(message, in_ms=CRASHED_AFTER_MS)
