"""A session through the functions' own handlers, every call that they make to AWS counted.

`python -m tests.bench.session_calls CHUNKS ACK_EVERY` has the functions' environment, and prints
the counts by phase and by `service:operation` as JSON.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections import Counter
from typing import Any

import boto3

from audioapi import settings
from audioapi.clock import now_ms
from local.services import clients
from tests.audio import pcm
from tests.bench import functions
from tests.bench.bench import ROOT
from tests.unit.audioapi.context import Context

_CHUNK_BYTES = 24_000
_RATE = 44100


class Calls:
    """Counts the requests that go out, repeated ones too, by the phase they go out in."""

    def __init__(self) -> None:
        self.phase = ""
        self.phases: dict[str, Counter[str]] = {}
        boto3.setup_default_session()
        assert boto3.DEFAULT_SESSION
        boto3.DEFAULT_SESSION.events.register("before-send", self._count)

    def _count(self, event_name: str, **_: Any) -> None:
        service, operation = event_name.split(".")[1:3]
        self.phases.setdefault(self.phase, Counter())[f"{service}:{operation}"] += 1


class Session:
    """One connection and its session, and the jobs that come of it."""

    def __init__(self, ack_every: int) -> None:
        self._connection_id = f"bench{ack_every}="
        self._messages = functions.load("stream_message").lambda_handler
        self._jobs = functions.load("jobs_worker").lambda_handler
        self._sqs = clients.connect(os.environ["AWS_ENDPOINT_URL"]).sqs
        event = self._event("stream_connect")
        query = {"sample_rate": str(_RATE), "ack_every": str(ack_every)}
        connect = functions.load("stream_connect").lambda_handler
        _ok(connect({**event, "queryStringParameters": query}, Context()))

    def say(self, message: dict[str, Any]) -> bool:
        """Whether it was answered."""
        event = self._event("stream_message")
        response = _ok(self._messages({**event, "body": json.dumps(message)}, Context()))
        assert "error" not in json.loads(response.get("body", "{}")), response
        return "body" in response

    def do_jobs(self) -> None:
        """Whatever is in the jobs queue, as SQS hands it over."""
        queue = settings.streaming().jobs_queue_url
        while messages := self._sqs.receive_message(QueueUrl=queue).get("Messages"):
            for message in messages:
                record = {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(now_ms())},
                    "messageAttributes": {},
                    "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:jobs",
                }
                failures = self._jobs({"Records": [record]}, Context())
                assert not failures["batchItemFailures"]
                self._sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    def _event(self, name: str) -> dict[str, Any]:
        event: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
        event["requestContext"] |= {
            "connectionId": self._connection_id,
            "requestTimeEpoch": now_ms(),
        }
        return event


def _ok(response: dict[str, Any]) -> dict[str, Any]:
    assert response["statusCode"] == 200, response
    return response


def main() -> None:
    chunk_count, ack_every = map(int, sys.argv[1:])
    calls, answers = Calls(), 0
    calls.phase = "session"
    session = Session(ack_every)
    data = base64.b64encode(pcm(rate=_RATE, channels=1, seconds=1.0)[:_CHUNK_BYTES]).decode()
    session.say({"type": "audio", "data": data, "seq": 0})  # the connection is looked up once
    for seq in range(1, chunk_count + 1):
        calls.phase = "chunks"
        answers += session.say({"type": "audio", "data": data, "seq": seq})
        calls.phase = "folding"
        session.do_jobs()
    calls.phase = "session"
    session.say({"type": "control", "action": "close_session", "chunk_count": chunk_count + 1})
    session.do_jobs()
    print(json.dumps({"answers": answers, **calls.phases}))  # noqa: T201


if __name__ == "__main__":
    main()
