"""Sessions as the gateway makes them: connected, fed and closed through the services."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from moto.apigatewaymanagementapi.models import apigatewaymanagementapi_backends
from moto.core.models import DEFAULT_ACCOUNT_ID

from audioapi.clock import now_ms
from audioapi.streaming import messages, service, store

if TYPE_CHECKING:
    from audioapi.identity import Principal
    from audioapi.streaming.models import Session

aws = cache(boto3.client)
"""The tests' own clients, which are made once. moto answers them while it is on."""
CLOSE = {"type": "control", "action": "close_session"}


def connect(
    connection_id: str = "c1", principal: Principal | None = None, **query: str
) -> dict[str, Any]:
    """The greeting of a new connection, as it waits in the notifications queue."""
    service.connect(principal, query, connection_id, now=now_ms())
    [greeting] = received("NotificationsQueue")
    frame: dict[str, Any] = greeting["frame"]
    return frame


def say(message: dict[str, Any], connection_id: str = "c1", *, at: int | None = None) -> Any:
    """The answer to a JSON message that the gateway received at `at`, epoch milliseconds."""
    return messages.receive(
        json.dumps(message),
        binary=False,
        connection_id=connection_id,
        message_id="m1",
        received_at=now_ms() if at is None else at,
    )


def audio(data: bytes, seq: int | None = None) -> dict[str, Any]:
    message: dict[str, Any] = {"type": "audio", "data": base64.b64encode(data).decode()}
    return message if seq is None else {**message, "seq": seq}


def kept(session_id: str) -> Session:
    found = store.session(session_id)
    assert found is not None
    return found


def received(queue: str) -> list[dict[str, Any]]:
    """The messages that are visible in a queue, which are then gone."""
    sqs = aws("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    found = []
    while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in batch:
            found.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def posted(connection_id: str) -> list[dict[str, Any]]:
    """What was posted to a connection through the gateway."""
    backend = apigatewaymanagementapi_backends[DEFAULT_ACCOUNT_ID]["us-east-1"]
    text = backend.connections[connection_id].data.decode()
    return [json.loads(line) for line in text.replace("}{", "}\n{").splitlines()]


def stored(bucket: str, prefix: str) -> list[str]:
    listed = aws("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
    return [entry["Key"] for entry in listed.get("Contents", ())]
