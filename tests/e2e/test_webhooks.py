"""A webhook of the running stack: registered, told, tried again, looked into, replayed."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.request import Request

import boto3
import pytest

from local.stack.seed import ORGANIZATION, USER
from local.template.account import REGION
from tests.e2e.stack import Answer, fetch, wait_for
from tests.receiver import Receiver, receiving, status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.stack import Stack

DATA = {"task_id": "0b6f7f0e", "title": "Grüße"}


def create(stack: Stack, receiver: Receiver, **headers: str) -> Answer:
    request = Request(  # noqa: S310 — http
        f"{stack.url}/webhooks",
        data=json.dumps({"url": receiver.url, "events": ["recording.completed"]}).encode(),
        headers={"x-api-key": stack.api_key, "content-type": "application/json", **headers},
    )
    return fetch(request)


@pytest.fixture
def announce(stack: Stack) -> Iterator[Any]:
    """Puts an event on the queue, as a worker does."""
    sqs = boto3.client(
        "sqs",
        endpoint_url=stack.aws_endpoint_url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    url = sqs.get_queue_url(QueueName="WebhooksQueue")["QueueUrl"]
    event = {
        "type": "event",
        "organization_id": str(ORGANIZATION),
        "user_id": USER,
        "event_type": "recording.completed",
        "data": DATA,
        "event_id": f"evt_{uuid.uuid4().hex[:24]}",
        "at": int(time.time() * 1000),
    }
    yield lambda: sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))
    sqs.close()


def test_an_event_arrives_signed_is_tried_again_and_replayed(stack: Stack, announce: Any) -> None:
    with receiving(status(500), status(204)) as receiver:
        webhook = create(stack, receiver).body
        announce()
        announce()
        wait_for(lambda: len(receiver.got) == 2, seconds=60)
        path = f"/webhooks/{webhook['id']}/deliveries"

        def delivered() -> Any:
            [found] = stack.get(path).body["deliveries"]
            return found["status"] == "delivered" and found

        delivery = wait_for(delivered, seconds=10)
        assert [attempt["status_code"] for attempt in delivery["attempts"]] == [500, 204]

        replayed = stack.request("POST", f"{path}/{delivery['id']}/replay")
        assert replayed.status == 202
        wait_for(lambda: len(receiver.got) == 3, seconds=30)
        wait_for(delivered, seconds=10)

    for got in receiver.got:
        payload = got.verified(webhook["secret"])
        assert (payload["type"], payload["data"]) == ("recording.completed", DATA)
        assert got.headers["webhook-id"] == delivery["event_id"]
    assert stack.request("DELETE", f"/webhooks/{webhook['id']}").status == 200
    assert stack.get(path).status == 404


def test_a_request_that_is_sent_again_makes_one_webhook(stack: Stack) -> None:
    with receiving() as receiver:
        headers = {"idempotency-key": str(uuid.uuid4())}
        first, again = (create(stack, receiver, **headers) for _ in range(2))
    assert first.status == 201
    assert again.body == first.body
    listed = [webhook["id"] for webhook in stack.get("/webhooks").body["webhooks"]]
    assert listed.count(first.body["id"]) == 1
    assert "whsec_" not in json.dumps(stack.get("/webhooks").body)
    assert stack.request("DELETE", f"/webhooks/{first.body['id']}").status == 200
