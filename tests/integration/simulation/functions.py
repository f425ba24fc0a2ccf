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
_DEDUPLICATED_SECONDS = 300.0
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
"""
UNLIMITED = 1000
"""Attempts of what no other queue takes: for as long as SQS keeps it."""


class Functions:
    """Invokes the functions of the template. `time_outs` are other ones than it says, in seconds,
    by their folders.
    """

    def __init__(self, stack: Stack, scheduler: Scheduler, plan: Plan) -> None:
        self._stack = stack
        self._scheduler = scheduler
        self._plan = plan
        self.invocations = 0
        self.time_outs: dict[str, float] = {}

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
        process = self.run(
            folder,
            name,
            lambda seconds: app(folder).lambda_handler(event, _context(seconds)),
            then=then,
            after=after,
        )
        if isinstance(resolver := getattr(app(folder), "app", None), BaseRouter):
            process.kept = partial(_kept, resolver)

    def run(
        self,
        folder: str,
        name: str,
        work: Callable[[float], Any],
        *,
        then: Callable[[Any], object] = lambda _: None,
        after: float = 0.0,
    ) -> Process:
        """The same for a function that isn't a handler: `work` gets its time-out in seconds."""
        self.invocations += 1
        answer: list[Any] = [None]
        seconds = self.time_outs.get(folder) or self._seconds(folder)

        def begin() -> None:
            answer[0] = work(seconds)

        process = self._scheduler.spawn(
            name,
            begin,
            after=after,
            clock_off=self._clock_off(name),
            at_end=lambda: then(answer[0]),
        )
        self._end_in_time(process, after + seconds)
        return process

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
    event: Any = getattr(BaseRouter, "current_event", None)  # none before the first request
    context: Any = getattr(BaseRouter, "lambda_context", None)
    more = {**resolver.context}

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
    """`group` is that of a FIFO queue; `killed` is how many functions were killed at it."""

    queue: str
    number: int
    body: str
    attributes: dict[str, Any]
    group: str | None
    deduplication: str | None
    sent_at: float
    attempt: int = 0
    gone: bool = False
    again_in: float | None = None
    killed: int = 0

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
    types of job that are `left_alone`. Of a group, the next message comes when the one before is
    done, or given up; its function may be taken for dead while it lives.
    """

    scheduler: Scheduler
    plan: Plan
    functions: Functions
    sources: dict[str, Source] = field(default_factory=dict)
    left_alone: set[str] = field(default_factory=set)
    sent: list[Message] = field(default_factory=list)
    _handles: dict[str, Message] = field(default_factory=dict)
    _waiting: dict[tuple[str, str], list[Message]] = field(default_factory=dict)
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
        group, known = asked.get("MessageGroupId"), asked.get("MessageDeduplicationId")
        assert not (group and asked.get("DelaySeconds")), "a FIFO queue takes no message's delay"
        for each in self.sent:
            told = (each.queue, each.group, each.deduplication) == (queue, group, known)
            if known and told and self.scheduler.now - each.sent_at < _DEDUPLICATED_SECONDS:
                return each
        message = Message(
            queue,
            next(self._numbers),
            asked["MessageBody"],
            asked.get("MessageAttributes", {}),
            group,
            known,
            self.scheduler.now,
        )
        self.sent.append(message)
        if queue in self.sources and message.job not in self.left_alone:
            if group is None:
                self._deliver_some_time(message, float(asked.get("DelaySeconds", 0)))
            else:
                self._deliver_in_order(message, group)
        return message

    def _deliver_some_time(self, message: Message, delay: float) -> None:
        self._deliver(message, delay + self._late(message))
        if self.plan.happens(self._name(message), [Trouble.TWICE], now=self.scheduler.now):
            self._deliver(message, delay + self.plan.amount(self._name(message), 0, 5))

    def _deliver_in_order(self, message: Message, group: str) -> None:
        waiting = self._waiting.setdefault((message.queue, group), [])
        waiting.append(message)
        if waiting == [message]:
            self._deliver_first(waiting)

    def _deliver_first(self, waiting: list[Message]) -> None:
        message, late = waiting[0], self._late(waiting[0])
        self._deliver(message, late)
        if self.plan.happens(self._name(message), [Trouble.TWICE], now=self.scheduler.now):
            lapse = late + self.plan.amount(self._name(message), 0, MISSED_SECONDS)
            self.scheduler.spawn(
                f"{self._name(message)} lapses", partial(self._lapse, message), after=lapse
            )

    def _lapse(self, message: Message) -> None:
        """Gives it out once more if its function isn't done."""
        if not message.gone and message.attempt < self.sources[message.queue].attempts:
            message.attempt += 1
            self._invoke(message, lambda _: None, 0.0)

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
        if message.attempt > source.attempts:
            self._give_up(message, source)
            return

        def again(killed: bool) -> None:  # noqa: FBT001 - it is what it is called with
            again_in = None if killed else message.again_in
            message.again_in = None
            self._deliver(message, source.missed_seconds if again_in is None else again_in)

        self._invoke(message, again, after)

    def _invoke(self, message: Message, again: Callable[[bool], object], after: float) -> None:
        """`again` is called if it isn't done: with whether its function was killed, or raised."""
        handle = f"{message.number}.{message.attempt}"
        self._handles[handle] = message

        def then(answer: Any) -> None:
            message.killed += answer is None
            if message.gone:
                return
            if answer == {"batchItemFailures": []}:
                self._gone(message)
            else:
                again(answer is None)

        self.functions.invoke(
            self.sources[message.queue].folder,
            f"{self._name(message)}, delivery {message.attempt}",
            self._event(message, handle),
            then=then,
            after=after,
        )

    def _gone(self, message: Message) -> None:
        """Done or given up: the next one of its group comes."""
        message.gone = True
        if message.group is not None:
            waiting = self._waiting[message.queue, message.group]
            waiting.remove(message)
            if waiting:
                self._deliver_first(waiting)

    def _give_up(self, message: Message, source: Source) -> None:
        if source.dead:
            asked = {"MessageBody": message.body, "MessageGroupId": message.group}
            self._add(source.dead, asked | {"MessageDeduplicationId": message.deduplication})
        self._gone(message)

    def _event(self, message: Message, handle: str) -> dict[str, Any]:
        record = {
            "messageId": str(message.number),
            "receiptHandle": handle,
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.attempt),
                "SentTimestamp": str(round(1000 * message.sent_at)),
                **({"MessageGroupId": message.group} if message.group else {}),
            },
            "messageAttributes": {
                name: {"stringValue": each["StringValue"], "dataType": each["DataType"]}
                for name, each in message.attributes.items()
            },
            "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{message.queue}",
        }
        return {"Records": [record]}
