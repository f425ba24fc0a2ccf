"""An event source mapping between a real queue and a function that fails as it is told."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from local.event_sources.queues import QueuePoller
from local.processes.waiting import in_background
from local.services.provision import provision
from local.template.account import ACCOUNT, REGION
from local.template.model import Invocation, QueueSource, Resource
from tests.patience import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from local.services.aws import Aws
    from local.services.clients import Clients


class Function:
    """Takes what it is given, but fails on each body that `fails` names as often as it says."""

    def __init__(self, **fails: int) -> None:
        self.records: list[dict[str, Any]] = []
        self._fails = Counter(fails)

    async def invoke(self, _function: str, event: Mapping[str, Any]) -> Invocation:
        self.records += event["Records"]
        failed = [record for record in event["Records"] if self._fails[record["body"]] > 0]
        self._fails.subtract(record["body"] for record in failed)
        items = [{"itemIdentifier": record["messageId"]} for record in failed]
        return Invocation(payload={"batchItemFailures": items})

    @property
    def bodies(self) -> list[str]:
        return [record["body"] for record in self.records]


class Queues:
    """This test's queues, by the names that `create` is given."""

    def __init__(self, aws: Aws, clients: Clients, prefix: str) -> None:
        self._aws = aws
        self._clients = clients
        self._prefix = prefix

    def create(self, name: str, **properties: Any) -> None:
        given = {"QueueName": f"{self._prefix}{name}", **properties}
        provision([Resource(name, "AWS::SQS::Queue", given)], self._clients)

    def arn(self, name: str) -> str:
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self._prefix}{name}"

    def url(self, name: str) -> str:
        return f"{self._aws.url}/{ACCOUNT}/{self._prefix}{name}"

    def send(self, name: str, *bodies: str, **wish: Any) -> None:
        for body in bodies:
            self._clients.sqs.send_message(QueueUrl=self.url(name), MessageBody=body, **wish)

    def count(self, name: str) -> int:
        """Messages in the queue, those in flight too."""
        attributes = self._clients.sqs.get_queue_attributes(
            QueueUrl=self.url(name), AttributeNames=["All"]
        )["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"]) + int(
            attributes["ApproximateNumberOfMessagesNotVisible"]
        )

    @asynccontextmanager
    async def delivering(self, name: str, function: Function, **source: Any) -> AsyncIterator[None]:
        mapping = QueueSource("Worker", name, partial_failures=True, **source)
        poller = QueuePoller(mapping, f"{self._prefix}{name}", self._clients.sqs, function)
        async with in_background(poller.run()):
            yield


@pytest.fixture
def queues(aws: Aws, clients: Clients, name: str) -> Queues:
    return Queues(aws, clients, f"{name}-")


async def test_messages_are_delivered_and_deleted(queues: Queues) -> None:
    queues.create("jobs")
    function = Function()
    async with queues.delivering("jobs", function):
        queues.send(
            "jobs", *"abc", MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}}
        )
        await until_async(lambda: len(function.records) == 3 and queues.count("jobs") == 0)
    record = function.records[0]
    assert record["eventSourceARN"] == queues.arn("jobs")
    assert record["messageAttributes"]["k"]["stringValue"] == "v"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert set(record["attributes"]) >= {
        "SentTimestamp",
        "SenderId",
        "ApproximateFirstReceiveTimestamp",
    }


async def test_a_failed_message_comes_again_after_the_visibility_timeout(queues: Queues) -> None:
    queues.create("jobs", VisibilityTimeout="3")
    queues.send("jobs", *"abc")
    function = Function(b=1)
    async with queues.delivering("jobs", function):
        await until_async(lambda: queues.count("jobs") == 0)
    assert Counter(function.bodies) == {"a": 1, "b": 2, "c": 1}
    assert function.records[-1]["attributes"]["ApproximateReceiveCount"] == "2"


async def test_a_function_may_shorten_the_wait_itself(queues: Queues, clients: Clients) -> None:
    queues.create("jobs", VisibilityTimeout=3600)
    queues.send("jobs", "a")

    class Impatient(Function):
        async def invoke(self, _function: str, event: Mapping[str, Any]) -> Invocation:
            for record in event["Records"]:
                clients.sqs.change_message_visibility(
                    QueueUrl=queues.url("jobs"),
                    ReceiptHandle=record["receiptHandle"],
                    VisibilityTimeout=0,
                )
            return await super().invoke(_function, event)

    async with queues.delivering("jobs", Impatient(a=2)):
        await until_async(lambda: queues.count("jobs") == 0)


async def test_what_fails_too_often_goes_to_the_dead_letter_queues_own_function(
    queues: Queues,
) -> None:
    queues.create("failed")
    queues.create(
        "jobs",
        VisibilityTimeout=3,
        RedrivePolicy={"deadLetterTargetArn": queues.arn("failed"), "maxReceiveCount": "2"},
    )
    queues.send("jobs", "poison", "fine")
    worker, undertaker = Function(poison=1000), Function()
    async with queues.delivering("jobs", worker), queues.delivering("failed", undertaker):
        await until_async(lambda: undertaker.bodies == ["poison"] and queues.count("failed") == 0)
    assert Counter(worker.bodies) == {"poison": 2, "fine": 1}
    assert queues.count("jobs") == 0


async def test_a_fifo_queues_groups_keep_their_order_through_failures(queues: Queues) -> None:
    queues.create("events.fifo", FifoQueue=True, VisibilityTimeout=3)
    for body in ("a1", "b1", "a2", "a3"):
        queues.send("events.fifo", body, MessageGroupId=body[0], MessageDeduplicationId=body)
    function = Function(a1=1)
    async with queues.delivering("events.fifo", function, batch_size=1):
        await until_async(lambda: queues.count("events.fifo") == 0)
    assert [body for body in function.bodies if body[0] == "a"] == ["a1", "a1", "a2", "a3"]
    assert function.records[0]["attributes"]["MessageGroupId"] == "a"


async def test_delayed_messages_come_in_their_time(queues: Queues) -> None:
    queues.create("jobs", DelaySeconds="0")
    queues.send("jobs", "later", DelaySeconds=1)
    function = Function()
    async with queues.delivering("jobs", function):
        await until_async(lambda: queues.count("jobs") == 0 and function.bodies == ["later"])
    [times] = [record["attributes"] for record in function.records]
    waited = int(times["ApproximateFirstReceiveTimestamp"]) - int(times["SentTimestamp"])
    assert waited >= 1000
