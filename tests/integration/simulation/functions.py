"""Functions as Lambda runs them: one process an invocation, killed at its time-out; and the queues
that invoke them, which deliver at least once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter

from tests.integration.audioapi.functions import app
from tests.integration.simulation.network import Plan, Trouble, respond, sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

    from local.template.model import Stack
    from tests.integration.simulation.scheduler import Process, Scheduler

MISSED_SECONDS = 60.0
"""After which the message of a worker that was killed is seen again: WorkerMissedSeconds."""
_CLOCK_OFF = 300.0
UNLIMITED = 1000
"""Attempts of what no other queue takes: for as long as SQS keeps it."""


class Functions:
    """Invokes the functions of the template."""

    def __init__(self, stack: Stack, scheduler: Scheduler, plan: Plan) -> None:
        self._stack = stack
        self._scheduler = scheduler
        self._plan = plan
        self.invocations = 0

    def invoke(
        self,
        folder: str,
        name: str,
        event: dict[str, Any],
        *,
        then: Callable[[Any], object] = lambda _: None,
        after: float = 0.0,
    ) -> None:
        """`then` gets what it returns, None if it was killed or raised."""
        self.invocations += 1
        answer: list[Any] = [None]

        def work() -> None:
            answer[0] = app(folder).lambda_handler(event, _context(seconds))

        seconds = self._seconds(folder)
        process = self._scheduler.spawn(
            name,
            work,
            after=after,
            clock_off=self._clock_off(name),
            at_end=lambda: then(answer[0]),
        )
        if isinstance(resolver := getattr(app(folder), "app", None), BaseRouter):
            process.kept = partial(_kept, resolver)
        self._end_in_time(process, after + seconds)

    def _end_in_time(self, process: Process, seconds: float) -> None:
        def kill() -> None:
            self._scheduler.kill(process)

        self._scheduler.spawn(f"{process.name}'s time-out", kill, after=seconds)

    def _seconds(self, folder: str) -> float:
        for function in self._stack.functions.values():
            if function.code.name == folder:
                return float(function.timeout)
        raise LookupError(folder)

    def _clock_off(self, name: str) -> float:
        cause = f"{name}'s clock"
        if self._plan.happens(cause, [Trouble.CLOCK], now=self._scheduler.now):
            return self._plan.amount(cause, -_CLOCK_OFF, _CLOCK_OFF)
        return 0.0


def _kept(resolver: BaseRouter) -> Callable[[], object]:
    """Powertools keeps the request where all have it: on Lambda there is one at a time."""
    event, context, more = BaseRouter.current_event, BaseRouter.lambda_context, {**resolver.context}

    def put_back() -> None:
        BaseRouter.current_event, BaseRouter.lambda_context = event, context
        resolver.context.clear()
        resolver.context.update(more)

    return put_back


def _context(seconds: float) -> Any:
    return SimpleNamespace(
        function_name="simulated",
        memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:simulated",
        aws_request_id="00000000-0000-4000-8000-000000000000",
        get_remaining_time_in_millis=lambda: int(1000 * seconds),
    )


@dataclass(eq=False)
class Message:
    queue: str
    number: int
    body: str
    attributes: dict[str, Any]
    deduplication: str | None
    sent_at: float
    attempt: int = 0
    gone: bool = False
    again_in: float | None = None

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def job(self) -> str:
        """Its type, empty if it has none."""
        return str(self.told.get("type", ""))


@dataclass(frozen=True)
class Source:
    """Of a queue's messages, which function takes them, how often, who takes those that failed too
    often, and after how many seconds one is seen again whose function was killed.
    """

    queue: str
    folder: str
    attempts: int
    dead: str | None = None
    missed_seconds: float = MISSED_SECONDS


@dataclass
class Queues:
    """SQS. `sent` is all that was sent. What is in a queue with a source is delivered, but for the
    types of job that are `left_alone`.
    """

    scheduler: Scheduler
    plan: Plan
    functions: Functions
    sources: dict[str, Source] = field(default_factory=dict)
    left_alone: set[str] = field(default_factory=set)
    sent: list[Message] = field(default_factory=list)
    _handles: dict[str, Message] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: count(1))

    def answer(self, operation: str, request: AWSPreparedRequest) -> AWSResponse:
        asked = json.loads(sent(request))
        if operation == "SendMessage":
            queue = asked["QueueUrl"].rpartition("/")[2]
            message = self._add(queue, asked)
            return respond(
                request,
                200,
                json.dumps({"MessageId": str(message.number)}),
                {"content-type": "application/x-amz-json-1.0"},
            )
        if operation == "ChangeMessageVisibility":
            self._handles[asked["ReceiptHandle"]].again_in = asked["VisibilityTimeout"]
            return respond(request, 200)
        raise NotImplementedError(operation)

    def _add(self, queue: str, asked: dict[str, Any]) -> Message:
        known = asked.get("MessageDeduplicationId")
        for each in self.sent:
            if known and each.queue == queue and each.deduplication == known:
                return each
        message = Message(
            queue,
            next(self._numbers),
            asked["MessageBody"],
            asked.get("MessageAttributes", {}),
            known,
            self.scheduler.now,
        )
        self.sent.append(message)
        if queue in self.sources and message.job not in self.left_alone:
            delay = float(asked.get("DelaySeconds", 0))
            self._deliver(message, delay + self._late(message))
            if self.plan.happens(self._name(message), [Trouble.TWICE], now=self.scheduler.now):
                self._deliver(message, delay + self.plan.amount(self._name(message), 0, 5))
        return message

    def _late(self, message: Message) -> float:
        cause = f"{self._name(message)} on its way"
        late = self.plan.happens(cause, [Trouble.LATE], now=self.scheduler.now)
        return self.plan.amount(cause, 0, 30) if late else self.plan.amount(cause, 0, 0.05)

    @staticmethod
    def _name(message: Message) -> str:
        return f"{message.queue} {message.number}" + (f" ({message.job})" if message.job else "")

    def _deliver(self, message: Message, after: float) -> None:
        source = self.sources[message.queue]
        message.attempt += 1
        attempt = message.attempt
        if attempt > source.attempts:
            self._give_up(message, source)
            return
        handle = f"{message.number}.{attempt}"
        self._handles[handle] = message
        name = f"{self._name(message)}, delivery {attempt}"

        def then(answer: Any) -> None:
            if answer == {"batchItemFailures": []}:
                message.gone = True
            elif not message.gone:
                again_in = None if answer is None else message.again_in
                message.again_in = None
                self._deliver(message, source.missed_seconds if again_in is None else again_in)

        self.functions.invoke(
            source.folder, name, self._event(message, handle), then=then, after=after
        )

    def _give_up(self, message: Message, source: Source) -> None:
        message.gone = True
        if source.dead:
            self._add(source.dead, {"MessageBody": message.body})

    def _event(self, message: Message, handle: str) -> dict[str, Any]:
        record = {
            "messageId": str(message.number),
            "receiptHandle": handle,
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.attempt),
                "SentTimestamp": str(round(1000 * message.sent_at)),
            },
            "messageAttributes": {
                name: {"stringValue": each["StringValue"], "dataType": each["DataType"]}
                for name, each in message.attributes.items()
            },
            "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{message.queue}",
        }
        return {"Records": [record]}
