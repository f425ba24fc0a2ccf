"""What lies between the SDK and AWS: calls take time, answers are lost, services are away.

A call is disturbed below the SDK's own retries: what is lost is an HTTP answer, not the call.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    import pytest

    from tests.integration.simulation.scheduler import Process, Scheduler

USUAL_SECONDS = 0.005


class Trouble(StrEnum):
    LOST_ANSWER = "its answer was lost"
    LOST_REQUEST = "it never arrived"
    KILLED_BEFORE = "the process was killed before it"
    KILLED_AFTER = "the process was killed after it"
    INTERNAL = "it was answered with 500"
    UNAVAILABLE = "it was answered with 503"
    THROTTLED = "it was throttled"
    CONFLICT = "it was answered with a conflict"
    SLOW = "it took long"
    AWAY = "the service was away"
    READ_ONLY = "its table took no writes"
    LISTED_LATE = "the last object wasn't listed yet"
    LOST = "it was lost"
    TWICE = "it came twice"
    LATE = "it came late"
    CLOCK = "its clock was off"


ANSWERS: dict[tuple[str, Trouble], tuple[int, str]] = {
    ("dynamodb", Trouble.INTERNAL): (500, "InternalServerError"),
    ("dynamodb", Trouble.UNAVAILABLE): (503, "ServiceUnavailable"),
    ("dynamodb", Trouble.THROTTLED): (400, "ProvisionedThroughputExceededException"),
    ("dynamodb", Trouble.CONFLICT): (400, "TransactionConflictException"),
    ("s3", Trouble.INTERNAL): (500, "InternalError"),
    ("s3", Trouble.UNAVAILABLE): (503, "ServiceUnavailable"),
    ("s3", Trouble.THROTTLED): (503, "SlowDown"),
    ("sqs", Trouble.INTERNAL): (500, "InternalError"),
    ("sqs", Trouble.UNAVAILABLE): (503, "ServiceUnavailable"),
    ("sqs", Trouble.THROTTLED): (400, "RequestThrottled"),
    ("apigatewaymanagementapi", Trouble.INTERNAL): (500, "InternalServerError"),
    ("apigatewaymanagementapi", Trouble.THROTTLED): (429, "LimitExceededException"),
}
"""By service and trouble, the status and the code that it answers."""

_ANYWHERE = (
    Trouble.LOST_ANSWER,
    Trouble.LOST_REQUEST,
    Trouble.KILLED_BEFORE,
    Trouble.KILLED_AFTER,
    Trouble.SLOW,
)
_RATES = (0.01, 0.03, 0.1, 0.3)
_AWAY_SECONDS = (5.0, 45.0, 120.0)
"""How long a service may be away."""
_WRITES = "dynamodb writes"
_READING = ("Get", "BatchGet", "Query", "Scan", "Describe")
_LAST_ENTRY = re.compile(r"<Contents>(?:(?!<Contents>).)*</Contents>(?!.*<Contents>)", re.DOTALL)
"""Of S3's list."""


@dataclass(frozen=True)
class Struck:
    """What happened to whom, at that moment, in seconds of the run. `cause` is the same however the
    rest of the run goes.
    """

    cause: str
    at: float
    trouble: Trouble

    def __str__(self) -> str:
        return f"{self.cause}: {self.trouble}"


@dataclass
class Plan:
    """What happens to whom, by the seed alone: a call is known by its process and its number, so
    that the others are disturbed alike if one of them isn't. `only` are causes; None: all.
    """

    seed: int
    only: Collection[str] | None = None
    over: bool = False
    struck: list[Struck] = field(default_factory=list)

    def __post_init__(self) -> None:
        chance = random.Random(f"{self.seed} plan")
        self.rate = chance.choice(_RATES)
        # Few kinds of trouble at a time: together, each would keep others from coming into play.
        self.kinds = {each for each in Trouble if chance.random() < 0.3}
        if Trouble.LISTED_LATE in self.kinds:
            # Of a chunk that perhaps was counted, and perhaps wasn't, nothing tells but the list.
            self.kinds -= {Trouble.LOST_ANSWER, Trouble.LOST_REQUEST, Trouble.INTERNAL}
        self.began = 0.0
        self.away = list(self._outages(chance))

    def _outages(self, chance: random.Random) -> Iterator[tuple[str, float, float]]:
        while Trouble.AWAY in self.kinds and chance.random() < 0.7:
            start = chance.uniform(0, 120)
            service = chance.choice(("s3", "dynamodb", "sqs"))
            yield service, start, start + chance.choice(_AWAY_SECONDS)
        if Trouble.AWAY in self.kinds and chance.random() < 0.5:
            start = chance.uniform(0, 120)
            yield "database", start, start + chance.choice(_AWAY_SECONDS)
        if Trouble.READ_ONLY in self.kinds:
            start = chance.uniform(0, 120)
            yield _WRITES, start, start + chance.choice(_AWAY_SECONDS)

    def happens(self, cause: str, kinds: Collection[Trouble], *, now: float) -> Trouble | None:
        """One of these, or nothing."""
        chance = random.Random(f"{self.seed} {cause}")
        possible = [each for each in kinds if each in self.kinds]
        if chance.random() >= self.rate or not possible:
            return None
        return self._strikes(cause, chance.choice(possible), now)

    def is_away(self, service: str, *, now: float) -> bool:
        for number, (which, start, end) in enumerate(self.away):
            if which == service and start <= now - self.began < end:
                cause = f"{service} away ({number})"
                return self._strikes(cause, Trouble.AWAY, now) is not None
        return False

    def amount(self, cause: str, low: float, high: float) -> float:
        return random.Random(f"{self.seed} {cause} amount").uniform(low, high)

    def _strikes(self, cause: str, trouble: Trouble, now: float) -> Trouble | None:
        if self.over or (self.only is not None and cause not in self.only):
            return None
        self.struck.append(Struck(cause, round(now - self.began, 3), trouble))
        return trouble


@dataclass(frozen=True)
class Call:
    """What leaves a process: to whom, what they do, and what it sees of troubles they have with it,
    if nothing comes of it, and, of a write to a table, if that takes none.
    """

    service: str
    operation: str
    perform: Callable[[], Any]
    answers: Mapping[Trouble, Callable[[], Any]]
    lost: Callable[[], Any]
    refused: Callable[[], Any] | None = None


def _to_aws(
    service: str, operation: str, request: AWSPreparedRequest, perform: Callable[[], Any]
) -> Call:
    def lost() -> Any:
        raise ConnectionClosedError(endpoint_url=request.url)

    answers = {
        trouble: partial(error, request, service, *answer)
        for (of, trouble), answer in ANSWERS.items()
        if of == service
    }
    if operation == "ListObjectsV2":
        answers[Trouble.LISTED_LATE] = partial(_without_the_last, request, perform)
    writes = service == "dynamodb" and not operation.startswith(_READING)
    refused = partial(error, request, service, 400, "AccessDeniedException") if writes else None
    return Call(service, operation, perform, answers, lost, refused)


def _without_the_last(request: AWSPreparedRequest, perform: Callable[[], Any]) -> AWSResponse:
    listed = perform()
    text = _LAST_ENTRY.sub("", listed.content.decode())
    return respond(request, listed.status_code, text, dict(listed.headers))


Around = Callable[[str, AWSPreparedRequest, Callable[[], Any]], Any]


class Network:
    """`answers` are those who answer for a service in moto's place, `around` those who have moto
    answer for it when they see fit.
    """

    def __init__(self, scheduler: Scheduler, plan: Plan) -> None:
        self._scheduler = scheduler
        self._plan = plan
        self.calls = 0
        self.answers: dict[str, Callable[[str, AWSPreparedRequest], AWSResponse]] = {}
        self.around: dict[str, Around] = {}

    def open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on, all calls go through it."""
        moto = BotocoreStubber.__call__
        network = self

        def send(
            stub: BotocoreStubber, event_name: str, request: AWSPreparedRequest, **_: Any
        ) -> Any:
            hyphenated, operation = event_name.split(".")[1:]
            service = hyphenated.replace("-", "")
            own = network.answers.get(service)

            def perform() -> Any:
                return own(operation, request) if own else moto(stub, event_name, request)

            process = network._scheduler.current
            if process is None:
                return perform()
            if around := network.around.get(service):
                perform = partial(around, operation, request, perform)
            return network.call(process, _to_aws(service, operation, request, perform))

        monkeypatch.setattr(BotocoreStubber, "__call__", send)

    def call(self, process: Process, call: Call) -> Any:
        """What the process gets to see of a call that leaves it."""
        process.calls += 1
        self.calls += 1
        cause = f"{process.name}, call {process.calls} ({call.operation})"
        kinds = (*_ANYWHERE, *call.answers)
        trouble = self._plan.happens(cause, kinds, now=self._scheduler.now)
        self._scheduler.sleep(self._seconds(cause, trouble))
        if trouble is None and self._plan.is_away(call.service, now=self._scheduler.now):
            trouble = Trouble.UNAVAILABLE
        if (
            trouble is None
            and call.refused
            and self._plan.is_away(_WRITES, now=self._scheduler.now)
        ):
            return call.refused()
        if trouble is Trouble.KILLED_BEFORE:
            self._scheduler.kill(process)
        if trouble is Trouble.LOST_REQUEST:
            return call.lost()
        if trouble and trouble in call.answers:
            return call.answers[trouble]()
        answer = call.perform()
        if trouble is Trouble.KILLED_AFTER:
            self._scheduler.kill(process)
        self._scheduler.sleep(USUAL_SECONDS)
        return call.lost() if trouble is Trouble.LOST_ANSWER else answer

    def _seconds(self, cause: str, trouble: Trouble | None) -> float:
        jitter = self._plan.amount(cause, 0.5, 1.5) * USUAL_SECONDS
        return jitter + (self._plan.amount(cause, 0.1, 20) if trouble is Trouble.SLOW else 0.0)


def error(request: AWSPreparedRequest, service: str, status: int, code: str) -> AWSResponse:
    """As the service writes it."""
    return respond(request, status, *written(service, code))


def written(service: str, code: str) -> tuple[str, dict[str, str]]:
    """An error's text and headers: in XML or in JSON."""
    if service == "s3":
        text = f"<Error><Code>{code}</Code><Message>simulated</Message></Error>"
        return text, {"content-type": "application/xml"}
    text = json.dumps({"__type": f"com.amazonaws#{code}", "message": "simulated"})
    return text, {"content-type": "application/x-amz-json-1.0", "x-amzn-errortype": code}


def respond(
    request: AWSPreparedRequest,
    status: int,
    text: str = "{}",
    headers: dict[str, str] | None = None,
) -> AWSResponse:
    body: Any = MockRawResponse(text)
    known: Any = headers or {}
    return AWSResponse(request.url, status, known, body)


def sent(request: AWSPreparedRequest) -> bytes:
    """A request's body."""
    assert isinstance(request.body, bytes)
    return request.body
