"""What the version before left when this one was deployed, and its messages, which are given out
now: tests/data/previous_version.json, recorded from commit 2d6d2f6 by its own functions.

Its chunks are 16 samples each, as many times their own number; `names` are its sessions':

| session    | how it was left                                                        |
|------------|------------------------------------------------------------------------|
| open       | 5 numbered chunks, acknowledged                                        |
| unnumbered | 3 chunks                                                               |
| quiet      | an anonymous one without a chunk                                       |
| folded     | 300 chunks, of which a run is folded                                   |
| closing    | 3 chunks, closed: its job waits                                        |
| counted    | the same, whose close says that there are 4 chunks                     |
| sealed     | the same, whose worker died                                            |
| failed     | the same, given up: a webhook's delivery is to be tried again          |
| done       | its file is made: its job for processing is done with, a delivery waits |
| heard      | a live one, ended: its first chunk is heard, its second waits          |
| speaking   | a live one: its first chunk waits                                      |
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from audioapi import clock, queues
from tests.integration.audioapi.functions import app
from tests.integration.audioapi.sessions import aws
from tests.unit.audioapi.context import Context

if TYPE_CHECKING:
    import pytest

_FUNCTIONS = {
    "NotificationsQueue": "stream_notify",
    "JobsQueue": "jobs_worker",
    "LiveQueue.fifo": "live_worker",
    "WebhooksQueue": "webhook_deliver",
}
_MOST_MESSAGES = 500


@dataclass
class Left:
    """Time goes on by itself only where a message is to wait."""

    now: int
    names: dict[str, str]
    webhook: dict[str, str]
    _sent_at: dict[str, int] = field(default_factory=dict)

    def work(self) -> None:
        """Gives out all messages, and those that come of them, until none is left."""
        for _ in range(_MOST_MESSAGES):
            if not any(self._give(queue) for queue in _FUNCTIONS):
                return
        raise AssertionError("there is no end of messages")

    def send(self, queue_url: str, message: dict[str, Any], *, delay_seconds: int = 0) -> None:
        """In place of `queues.send`: the time that a message is to wait passes at once."""
        self.now += 1000 * delay_seconds
        aws("sqs").send_message(QueueUrl=queue_url, MessageBody=json.dumps(message))

    def _give(self, queue: str) -> bool:
        """Whether there was a message."""
        sqs = aws("sqs")
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        messages = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=1, AttributeNames=["All"]
        ).get("Messages", ())
        for message in messages:
            handle = message["ReceiptHandle"]
            if _done(_FUNCTIONS[queue], self._record(message, queue)):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)
            else:
                sqs.change_message_visibility(
                    QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0
                )
                self.now += 60_000
        return bool(messages)

    def _record(self, message: Any, queue: str) -> dict[str, Any]:
        sent_at = self._sent_at.setdefault(message["MessageId"], self.now)
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": {**message["Attributes"], "SentTimestamp": str(sent_at)},
            "messageAttributes": {},
            "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{queue}",
        }


def found(monkeypatch: pytest.MonkeyPatch, *, hours: float, url: str) -> Left:
    """All of it, so many hours later; the webhook's address is `url`."""
    text = Path("tests/data/previous_version.json").read_text()
    kept = json.loads(text.replace("http://127.0.0.1:1024/hook", url))
    left = Left(kept["recorded_at"] + round(3_600_000 * hours), kept["sessions"], kept["webhook"])
    monkeypatch.setattr(clock, "time", SimpleNamespace(time_ns=lambda: left.now * 1_000_000))
    monkeypatch.setattr(queues, "send", left.send)
    for table, items in kept["tables"].items():
        for item in items:
            aws("dynamodb").put_item(TableName=table, Item=item)
    for bucket, objects in kept["objects"].items():
        for each in objects:
            body = base64.b64decode(each["body"])
            aws("s3").put_object(Bucket=bucket, Key=each["key"], Body=body)
    for queue, messages in kept["queues"].items():
        url = aws("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
        for each in messages:
            group = (
                {
                    "MessageGroupId": each["group"],
                    "MessageDeduplicationId": each["deduplication"],
                }
                if "group" in each
                else {}
            )
            sent = aws("sqs").send_message(QueueUrl=url, MessageBody=each["body"], **group)
            left._sent_at[sent["MessageId"]] = each["sent_at"]
    return left


def _done(function: str, record: dict[str, Any]) -> bool:
    answer = app(function).lambda_handler({"Records": [record]}, Context(remaining_seconds=300))
    return not answer["batchItemFailures"]
