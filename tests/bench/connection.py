"""A connection's messages, and the jobs that come of them, through the functions' own handlers."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

from audioapi import settings
from audioapi.clock import now_ms
from local.services import clients
from tests.audio import pcm
from tests.bench import functions
from tests.bench.bench import ROOT
from tests.unit.audioapi.context import Context

_CHUNK_BYTES = 24_000
_RATE = 44100
_DATA = base64.b64encode(pcm(rate=_RATE, channels=1, seconds=1.0)[:_CHUNK_BYTES]).decode()


class Connection:
    """The process that it is in has the functions' environment."""

    def __init__(self, connection_id: str) -> None:
        self._id = connection_id
        self._messages = functions.load("stream_message").lambda_handler

    def connect(self, ack_every: int) -> None:
        """Begins a session."""
        query = {"sample_rate": str(_RATE), "ack_every": str(ack_every)}
        handler = functions.load("stream_connect").lambda_handler
        event = self._event("stream_connect")
        _ok(handler({**event, "queryStringParameters": query}, Context()))

    def send_chunk(self, seq: int) -> bool:
        """24,000 bytes; whether they were acknowledged."""
        return self.send({"type": "audio", "data": _DATA, "seq": seq})

    def send(self, message: dict[str, Any]) -> bool:
        """Whether it was answered."""
        event = self._event("stream_message")
        response = _ok(self._messages({**event, "body": json.dumps(message)}, Context()))
        assert "error" not in json.loads(response.get("body", "{}")), response
        return "body" in response

    def _event(self, name: str) -> dict[str, Any]:
        event: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
        event["requestContext"] |= {"connectionId": self._id, "requestTimeEpoch": now_ms()}
        return event


class Jobs:
    """The jobs queue, and the worker of what is in it."""

    def __init__(self) -> None:
        self._handler = functions.load("jobs_worker").lambda_handler
        self._sqs = clients.connect(os.environ["AWS_ENDPOINT_URL"]).sqs

    def do(self) -> None:
        """Whatever is in the queue, as SQS hands it over."""
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
                failures = self._handler({"Records": [record]}, Context())
                assert not failures["batchItemFailures"]
                self._sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def _ok(response: dict[str, Any]) -> dict[str, Any]:
    assert response["statusCode"] == 200, response
    return response
