"""Event sources against a queue in memory and a function that answers as it is told."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import deque
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import EndpointConnectionError

from local.event_sources.queues import QueuePoller
from local.event_sources.schedules import run_schedule
from local.processes.waiting import in_background
from local.template.model import Invocation, QueueSource, Schedule
from tests.patience import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

ARN = "arn:aws:sqs:us-east-1:123456789012:jobs"


class FakeQueue:
    """Gives each message once: what isn't deleted is in flight for longer than any test."""

    def __init__(self, *bodies: str, fails: int = 0) -> None:
        self.waiting = deque(
            {
                "MessageId": f"id-{body}",
                "ReceiptHandle": f"receipt-{body}",
                "Body": body,
                "MD5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
                "Attributes": {"ApproximateReceiveCount": "1"},
            }
            for body in bodies
        )
        self.deleted: set[str] = set()
        self.fails = fails
        self.meta = SimpleNamespace(endpoint_url="http://127.0.0.1:1")
        self._arrives = threading.Event()

    def receive_message(self, **wish: Any) -> dict[str, Any]:
        if self.fails:
            self.fails -= 1
            raise EndpointConnectionError(endpoint_url=self.meta.endpoint_url)
        if not self.waiting:
            self._arrives.wait(0.01)
        most = min(wish["MaxNumberOfMessages"], len(self.waiting))
        return {"Messages": [self.waiting.popleft() for _ in range(most)]}

    def delete_message_batch(self, **wish: Any) -> dict[str, Any]:
        self.deleted |= {entry["ReceiptHandle"] for entry in wish["Entries"]}
        return {}


class FakeFunction:
    def __init__(self, answer: Callable[[dict[str, Any]], Any] = lambda _event: None) -> None:
        self.events: list[dict[str, Any]] = []
        self.running = 0
        self.most_running = 0
        self._answer = answer

    async def invoke(self, _function: str, event: Mapping[str, Any]) -> Invocation:
        self.events.append(dict(event))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(0.001)
        self.running -= 1
        answer = self._answer(dict(event))
        return answer if isinstance(answer, Invocation) else Invocation(payload=answer)

    @property
    def bodies(self) -> list[str]:
        return [record["body"] for event in self.events for record in event["Records"]]


@asynccontextmanager
async def polling(queue: FakeQueue, function: FakeFunction, **source: Any) -> AsyncIterator[None]:
    mapping = QueueSource(function="Worker", queue="Jobs", **source)
    poller = QueuePoller(mapping, "jobs", cast("Any", queue), function)
    async with in_background(poller.run()):
        yield


async def test_messages_arrive_in_the_shape_that_aws_gives_them() -> None:
    queue, function = FakeQueue("hello"), FakeFunction()
    queue.waiting[0]["MessageAttributes"] = {
        "kind": {"DataType": "String", "StringValue": "job"},
        "mark": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    queue.waiting[0]["MD5OfMessageAttributes"] = "d41d8cd98f00b204e9800998ecf8427e"

    async with polling(queue, function):
        await until_async(lambda: bool(queue.deleted))

    assert function.events == [
        {
            "Records": [
                {
                    "messageId": "id-hello",
                    "receiptHandle": "receipt-hello",
                    "body": "hello",
                    "attributes": {"ApproximateReceiveCount": "1"},
                    "messageAttributes": {
                        "kind": {
                            "stringValue": "job",
                            "stringListValues": [],
                            "binaryListValues": [],
                            "dataType": "String",
                        },
                        "mark": {
                            "binaryValue": "AP8=",
                            "stringListValues": [],
                            "binaryListValues": [],
                            "dataType": "Binary",
                        },
                    },
                    "md5OfBody": "5d41402abc4b2a76b9719d911017c592",
                    "md5OfMessageAttributes": "d41d8cd98f00b204e9800998ecf8427e",
                    "eventSource": "aws:sqs",
                    "eventSourceARN": ARN,
                    "awsRegion": "us-east-1",
                }
            ]
        }
    ]


async def test_what_a_function_took_is_deleted() -> None:
    queue, function = FakeQueue(*"abc"), FakeFunction()
    async with polling(queue, function):
        await until_async(lambda: len(queue.deleted) == 3)
    assert function.bodies == ["a", "b", "c"]


# One batch at a time: when the second has been deleted, the first has been dealt with.
TWO_BATCHES = {"batch_size": 2, "maximum_concurrency": 1, "partial_failures": True}


def first_batch_answers(answer: Any) -> FakeFunction:
    return FakeFunction(lambda event: answer if event["Records"][0]["body"] == "a" else None)


@pytest.mark.parametrize("error", ["Unhandled", "Timeout", "Exit"])
async def test_what_a_function_failed_on_stays_in_the_queue(error: Any) -> None:
    queue, function = FakeQueue(*"abc"), first_batch_answers(Invocation(error=error))
    async with polling(queue, function, **TWO_BATCHES):
        await until_async(lambda: bool(queue.deleted))
    assert queue.deleted == {"receipt-c"}


async def test_only_the_reported_failures_stay_in_the_queue() -> None:
    queue = FakeQueue(*"abc")
    function = FakeFunction(lambda _: {"batchItemFailures": [{"itemIdentifier": "id-b"}]})
    async with polling(queue, function, partial_failures=True):
        await until_async(lambda: bool(queue.deleted))
    assert queue.deleted == {"receipt-a", "receipt-c"}


async def test_a_report_of_failures_means_nothing_unless_the_template_says_so() -> None:
    queue = FakeQueue(*"ab")
    function = FakeFunction(lambda _: {"batchItemFailures": [{"itemIdentifier": "id-b"}]})
    async with polling(queue, function, partial_failures=False):
        await until_async(lambda: bool(queue.deleted))
    assert queue.deleted == {"receipt-a", "receipt-b"}


@pytest.mark.parametrize(
    "answer", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}]
)
async def test_an_empty_report_is_success(answer: Any) -> None:
    queue = FakeQueue(*"ab")
    async with polling(queue, FakeFunction(lambda _: answer), partial_failures=True):
        await until_async(lambda: queue.deleted == {"receipt-a", "receipt-b"})


@pytest.mark.parametrize(
    "answer",
    [
        "done",
        {"batchItemFailures": "id-a"},
        {"batchItemFailures": ["id-a"]},
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"messageId": "id-a"}]},
        {"batchItemFailures": [{"itemIdentifier": ["id-a"]}]},
        {"batchItemFailures": [{"itemIdentifier": "id-of-another-batch"}]},
    ],
)
async def test_a_malformed_report_fails_the_whole_batch(answer: Any) -> None:
    queue, function = FakeQueue(*"abc"), first_batch_answers(answer)
    async with polling(queue, function, **TWO_BATCHES):
        await until_async(lambda: bool(queue.deleted))
    assert queue.deleted == {"receipt-c"}


async def test_batches_are_as_large_as_the_template_allows() -> None:
    queue, function = FakeQueue(*map(str, range(25))), FakeFunction()
    async with polling(queue, function, batch_size=20, window=2):
        await until_async(lambda: len(queue.deleted) == 25)
    assert [len(event["Records"]) for event in function.events] == [20, 5]


async def test_no_more_batches_run_at_once_than_the_template_allows() -> None:
    queue, function = FakeQueue(*map(str, range(12))), FakeFunction()
    async with polling(queue, function, batch_size=1, maximum_concurrency=2):
        await until_async(lambda: len(queue.deleted) == 12)
    assert function.most_running == 2


async def test_a_service_that_fails_for_a_while_stops_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.event_sources.queues.AFTER_ERROR", 0.001)
    queue, function = FakeQueue("a", fails=2), FakeFunction()
    async with polling(queue, function):
        await until_async(lambda: queue.deleted == {"receipt-a"})
    assert [entry.message.startswith("Jobs can't be polled") for entry in caplog.records] == [
        True,
        True,
    ]


async def test_a_function_that_cannot_even_be_run_stops_nothing() -> None:
    def broken_once(event: dict[str, Any]) -> None:
        if event["Records"][0]["body"] == "a":
            raise RuntimeError("no such function")

    queue = FakeQueue("a", "b")
    async with polling(queue, FakeFunction(broken_once), batch_size=1):
        await until_async(lambda: queue.deleted == {"receipt-b"})


async def test_a_poller_that_is_stopped_takes_no_more() -> None:
    queue, function = FakeQueue("a"), FakeFunction()
    async with polling(queue, function):
        await until_async(lambda: bool(queue.deleted))
    queue.waiting.extend(FakeQueue("late").waiting)
    threads = [t for t in threading.enumerate() if t.name.startswith("Jobs")]
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert function.bodies == ["a"]


def ticking(schedule: Schedule, function: FakeFunction) -> AbstractAsyncContextManager[None]:
    return in_background(run_schedule(schedule, function))


async def test_a_schedule_runs_again_and_again_with_eventbridges_event() -> None:
    function = FakeFunction()
    async with ticking(Schedule("Sweep", "Sweeper", period=0.01), function):
        await until_async(lambda: len(function.events) >= 3)
    event = function.events[0]
    assert event["source"] == "aws.scheduler"
    assert event["detail-type"] == "Scheduled Event"
    assert event["resources"] == ["arn:aws:scheduler:us-east-1:123456789012:schedule/default/Sweep"]


async def test_a_schedules_own_input_is_its_event() -> None:
    function = FakeFunction()
    async with ticking(Schedule("Sweep", "Sweeper", 0.001, {"limit": 5}), function):
        await until_async(lambda: bool(function.events))
    assert function.events[0] == {"limit": 5}


async def test_runs_of_a_schedule_never_overlap() -> None:
    function = FakeFunction()
    async with ticking(Schedule("Sweep", "Sweeper", period=0.00001), function):
        await until_async(lambda: len(function.events) >= 20)
    assert function.most_running == 1


async def test_a_schedule_survives_a_run_that_fails() -> None:
    def broken(_event: dict[str, Any]) -> None:
        raise RuntimeError("no such function")

    function = FakeFunction(broken)
    async with ticking(Schedule("Sweep", "Sweeper", period=0.001), function):
        await until_async(lambda: len(function.events) >= 3)
