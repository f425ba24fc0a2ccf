"""An event reaches each webhook that wants it, or is tried as the schedule says."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from audioapi import settings
from audioapi.clock import iso_ms
from audioapi.observe import logger
from audioapi.webhooks import delivery, service
from tests.integration.audioapi.functions import app
from tests.integration.audioapi.webhook_calls import (
    DATA,
    PatientContext,
    Queue,
    announce,
    call,
    create,
    log,
    pauses,
)
from tests.receiver import Receiver, receiving, status


def test_an_event_arrives_signed_and_says_when_it_happened(
    queue: Queue, receiver: Receiver
) -> None:
    webhook = create(receiver.url)
    happened = queue.clock.now
    announce()
    queue.clock.now += 60_000
    queue.run()

    [got] = receiver.got
    payload = got.verified(webhook["secret"])
    assert payload == {"type": "recording.completed", "timestamp": iso_ms(happened), "data": DATA}
    assert "." not in got.headers["webhook-id"]
    [delivered] = log(webhook["id"])
    assert delivered["event_id"] == got.headers["webhook-id"]
    assert delivered["payload"] == payload
    assert (delivered["status"], delivered["next_attempt_at"]) == ("delivered", None)
    [attempt] = delivered["attempts"]
    assert attempt.pop("duration_ms") >= 0
    assert attempt == {"at": iso_ms(happened + 60_000), "status_code": 204, "error": None}


def test_each_webhook_hears_of_what_it_wants(queue: Queue, receiver: Receiver) -> None:
    wants = create(receiver.url + "/1", events=["recording.completed", "session.failed"])
    all_of_it = create(receiver.url + "/2")
    create(receiver.url + "/3", events=["recording.failed"])
    announce()
    queue.run()
    assert sorted(got.path for got in receiver.got) == ["/hook/1", "/hook/2"]
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
    for got in receiver.got:
        got.verified((wants if got.path == "/hook/1" else all_of_it)["secret"])


def test_all_that_becomes_of_one_session_is_told(queue: Queue, receiver: Receiver) -> None:
    """Its file is ready, then its memories: a session and its task have one id."""
    create(receiver.url)
    for _ in range(2):
        announce("session.completed", about="one")
        announce("recording.completed", about="one")
    queue.run()
    told = [json.loads(got.body)["type"] for got in receiver.got]
    assert sorted(told) == ["recording.completed", "session.completed"]


def test_nobody_hears_of_others_work(queue: Queue, receiver: Receiver) -> None:
    create(receiver.url)
    service.announce("acme", "bob", "recording.completed", DATA, about="1")
    service.announce("globex", "alice", "recording.completed", DATA, about="2")
    queue.run()
    assert receiver.got == []


def test_only_known_events_are_announced(queue: Queue) -> None:
    with pytest.raises(ValueError, match="recording"):
        announce("recording.started")


def test_the_schedule_of_attempts(queue: Queue) -> None:
    with receiving(status(500)) as receiver:
        webhook = create(receiver.url)
        announce()
        queue.run()
    [failed] = log(webhook["id"])
    assert (failed["status"], failed["next_attempt_at"]) == ("failed", None)
    assert [attempt["status_code"] for attempt in failed["attempts"]] == [500] * 8
    assert pauses(failed["attempts"]) == [5, 300, 1800, 7200, 18_000, 36_000, 36_000]
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
    assert len({got.body for got in receiver.got}) == 1
    assert len({got.headers["webhook-timestamp"] for got in receiver.got}) == 8


def test_pauses_differ_by_a_tenth(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "JITTER", 0.1)
    with receiving(status(500)) as receiver:
        webhook = create(receiver.url)
        announce()
        queue.run()
    made = pauses(log(webhook["id"])[0]["attempts"])
    assert made != list(delivery.SCHEDULE)
    for pause, planned in zip(made, delivery.SCHEDULE, strict=True):
        assert pause == pytest.approx(planned, rel=0.101)


def test_between_attempts_the_log_says_when_the_next_one_is(queue: Queue) -> None:
    with receiving(status(500), status(200)) as receiver:
        webhook = create(receiver.url)
        announce()
        queue.run(most=2)
        [pending] = log(webhook["id"])
        assert (pending["status"], len(pending["attempts"])) == ("pending", 1)
        assert pending["next_attempt_at"] == iso_ms(queue.clock.now + 5000)
        queue.run()
    [delivered] = log(webhook["id"])
    assert delivered["status"] == "delivered"
    assert [attempt["status_code"] for attempt in delivered["attempts"]] == [500, 200]


def test_a_receiver_that_asks_for_time_gets_it(queue: Queue) -> None:
    busy = [status(503, retry_after=asked) for asked in ("2", "600", "999999")]
    with receiving(*busy, status(200)) as receiver:
        webhook = create(receiver.url)
        announce()
        queue.run()
    assert pauses(log(webhook["id"])[0]["attempts"]) == [5, 600, 36_000]


def test_a_redirect_or_nobody_there_is_noted(queue: Queue, receiver: Receiver) -> None:
    with receiving(status(302, location=receiver.url)) as moved:
        webhook = create(moved.url)
        announce()
        queue.run(most=2)
    queue.run(most=1)
    [pending] = log(webhook["id"])
    told = [(attempt["status_code"], attempt["error"]) for attempt in pending["attempts"]]
    assert told == [(302, "redirects are not followed"), (None, "Connection refused")]
    assert receiver.got == []


def test_an_address_that_became_private_is_not_connected_to(
    queue: Queue, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = create(receiver.url.replace("http:", "https:"))
    monkeypatch.setenv("ALLOW_PRIVATE_WEBHOOKS", "false")
    settings.webhooks.cache_clear()
    announce()
    queue.run(most=2)
    [pending] = log(webhook["id"])
    [attempt] = pending["attempts"]
    assert attempt["error"] == "url: host must have public addresses only"
    assert receiver.got == []


def test_410_ends_it(queue: Queue) -> None:
    with receiving(status(500), status(500), status(410)) as receiver:
        webhook = create(receiver.url)
        announce(about="1")
        announce(about="2")
        queue.run()
        announce(about="3")
        queue.run()
    assert len(receiver.got) == 3  # each of both once, and then one more
    [listed] = call("list").body["webhooks"]
    assert listed["disabled_at"] is not None
    deliveries = log(webhook["id"])
    assert [found["status"] for found in deliveries] == ["failed", "failed"]
    last = sorted(str(found["attempts"][-1]["error"]) for found in deliveries)
    assert last == ["None", "the webhook is disabled"]
    answer = call("replay", webhook["id"], deliveries[0]["id"])
    assert (answer.status, answer.body["code"]) == (409, "CONFLICT")


def test_what_is_on_its_way_to_a_deleted_webhook_is_dropped(
    queue: Queue, receiver: Receiver
) -> None:
    webhook = create(receiver.url)
    announce()
    queue.run(most=1)
    call("delete", webhook["id"])
    create(receiver.url)
    queue.run()
    assert receiver.got == []
    assert queue.waiting == []


def test_the_function_does_both_and_lets_what_failed_come_back_when_it_is_due(
    queue: Queue,
) -> None:
    with receiving(status(500)) as receiver:
        create(receiver.url)
        announce()
        function, sqs = app("webhook_deliver"), boto3.client("sqs")
        url = settings.webhooks().webhooks_queue_url
        assert function.lambda_handler(_event(sqs, url), PatientContext()) == {
            "batchItemFailures": []
        }
        event = _event(sqs, url)
        answer = function.lambda_handler(event, PatientContext())
    [failure] = answer["batchItemFailures"]
    assert failure["itemIdentifier"] == event["Records"][0]["messageId"]
    assert len(receiver.got) == 1


def _event(sqs: Any, url: str) -> dict[str, Any]:
    """The next message as its function gets it."""
    event: dict[str, Any] = json.loads(Path("events/webhook_deliver.json").read_text())
    [message] = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
    event["Records"][0] |= {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
    }
    return event


def test_log_lines_name_event_and_delivery_and_tell_no_secret(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", told)
    with receiving(status(500), status(200)) as receiver:
        webhook = create(receiver.url + "?token=very-secret")
        announce()
        queue.run()
    logger.remove_keys(["event_id", "webhook_id", "delivery_id"])
    [delivered] = log(webhook["id"])
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    sent = [line for line in lines if line["message"] in {"delivered", "not delivered"}]
    assert [line["message"] for line in sent] == ["not delivered", "delivered"]
    for line in sent:
        assert line["event_id"] == delivered["event_id"]
        assert line["delivery_id"] == delivered["id"]
    assert "very-secret" not in told.getvalue()
    assert webhook["secret"].removeprefix("whsec_") not in told.getvalue()
