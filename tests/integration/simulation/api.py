"""API Gateway's HTTP side, and clients that ask again until they are answered."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import forms
from tests.integration.simulation.network import Trouble
from tests.integration.simulation.scheduler import Inbox

if TYPE_CHECKING:
    from tests.integration.simulation.simulation import World

ANSWER_SECONDS = 29.0
"""As long as the gateway waits for a function."""
_TRIES = 8


@dataclass(frozen=True)
class Asked:
    """What a request says besides its path; `once` is its Idempotency-Key. Its body is an object,
    as JSON, or the bytes of a form.
    """

    body: object = None
    form: bytes | None = None
    once: str | None = None
    query: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """`asked_at` and `at` are when the request was sent and when this came, in seconds of the run's
    clock; `tries` is how often it was asked.
    """

    status: int
    body: Any
    asked_at: float
    at: float
    tries: int = 1

    @property
    def good(self) -> bool:
        return self.status < 300

    @property
    def final(self) -> bool:
        """Whether asking again won't help."""
        return self.status < 500 and not self.in_progress

    @property
    def in_progress(self) -> bool:
        """The first request with this Idempotency-Key, or another one like it, isn't done yet."""
        return self.status == 409 and "not done yet" in self.body["detail"]


class Api:
    """What one client, with one key, sees of it."""

    def __init__(self, world: World, key: str) -> None:
        self._world = world
        self._key = key

    def ask(self, name: str, function: str, *ids: str, asked: Asked | None = None) -> Answer | None:
        """None if no answer comes, which tells nothing of what was done."""
        scheduler = self._world.scheduler
        asked_at, answered = scheduler.now, Inbox[Any](scheduler)
        event = self._event(function, name, ids, asked or Asked())
        self._world.functions.invoke(function, name, event, then=answered.put)
        response = answered.get(ANSWER_SECONDS)
        lost = self._world.plan.happens(f"{name}'s answer", [Trouble.LOST], now=scheduler.now)
        if response is None or lost:
            return None
        content = json.loads(response["body"])
        return Answer(response["statusCode"], content, asked_at, scheduler.now)

    def insist(
        self, name: str, function: str, *ids: str, asked: Asked | None = None
    ) -> Answer | None:
        """Asks until it is answered for good; None if it gives up."""
        asked_at = self._world.scheduler.now
        for number in range(1, _TRIES + 1):
            answer = self.ask(f"{name}, {number}", function, *ids, asked=asked)
            if answer and answer.final:
                return Answer(answer.status, answer.body, asked_at, answer.at, number)
            self._world.scheduler.sleep(min(2.0**number, 30))
        return None

    def _event(
        self, function: str, name: str, ids: tuple[str, ...], asked: Asked
    ) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(_sample(function))
        for parameter, wanted in zip(event.get("pathParameters", {}), ids, strict=True):
            sample = event["pathParameters"][parameter]
            event["pathParameters"][parameter] = wanted
            event["rawPath"] = event["rawPath"].replace(sample, wanted)
        event["requestContext"]["http"]["path"] = event["rawPath"]
        event["requestContext"] |= {
            "requestId": name,
            "timeEpoch": round(1000 * self._world.scheduler.now),
        }
        event["headers"] = {"content-type": "application/json", "x-api-key": self._key}
        if asked.once:
            event["headers"]["idempotency-key"] = asked.once
        event["queryStringParameters"] = asked.query
        if asked.body is not None:
            event["body"] = json.dumps(asked.body)
        if asked.form is not None:
            event["headers"]["content-type"] = forms.CONTENT_TYPE
            event["body"] = base64.b64encode(asked.form).decode()
        return event


@cache
def _sample(function: str) -> str:
    return Path("events", f"{function}.json").read_text()
