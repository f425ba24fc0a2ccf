"""A webhook of the running stack: registered, told, tried again, looked into, replayed."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from local.stack.seed import ORGANIZATION, USER
from tests.patience import until
from tests.receiver import Receiver, receiving, status

if TYPE_CHECKING:
    from tests.e2e.stack import Answer, Stack

DATA = {"task_id": "0b6f7f0e", "title": "Grüße"}


def create(stack: Stack, receiver: Receiver, **headers: str) -> Answer:
    wanted = {"url": receiver.url, "events": ["recording.completed"]}
    return stack.request("POST", "/webhooks", wanted, headers=headers)


@pytest.fixture
def announce(stack: Stack) -> Any:
    """Puts an event on the queue, as a worker does."""
    sqs = stack.clients.sqs
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
    return lambda: sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))


def test_an_event_arrives_signed_is_tried_again_and_replayed(stack: Stack, announce: Any) -> None:
    with receiving(status(500), status(204)) as receiver:
        webhook = create(stack, receiver).body
        announce()
        announce()
        until(lambda: len(receiver.got) == 2)
        path = f"/webhooks/{webhook['id']}/deliveries"

        def delivered() -> Any:
            [found] = stack.get(path).body["deliveries"]
            return found["status"] == "delivered" and found

        delivery = until(delivered)
        assert [attempt["status_code"] for attempt in delivery["attempts"]] == [500, 204]

        replayed = stack.request("POST", f"{path}/{delivery['id']}/replay")
        assert replayed.status == 202
        until(lambda: len(receiver.got) == 3)
        until(delivered)

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
