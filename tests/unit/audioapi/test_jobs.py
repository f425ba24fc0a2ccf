"""Messages are done one by one; a failed one comes back soon, and only that one."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from audioapi import jobs, queues
from tests.unit.audioapi.context import Context

_OFTEN = 3
RECORD = json.loads(Path("events/jobs_worker.json").read_text())["Records"][0]


@dataclass
class FakeSqs:
    visibility: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    called_often: threading.Event = field(default_factory=threading.Event)
    broken: bool = False

    def change_message_visibility(self, **request: Any) -> None:
        self.calls += 1
        if self.calls > _OFTEN:
            self.called_often.set()
        if self.broken:
            raise EndpointConnectionError(endpoint_url="sqs")
        self.visibility[request["ReceiptHandle"]] = request["VisibilityTimeout"]


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> FakeSqs:
    fake = FakeSqs()
    monkeypatch.setattr(queues, "client", lambda: fake)
    return fake


def record(name: str, *, attempt: int = 1, body: str | None = None) -> dict[str, Any]:
    attributes = {**RECORD["attributes"], "ApproximateReceiveCount": str(attempt)}
    text = json.dumps({"name": name}) if body is None else body
    return {
        **RECORD,
        "messageId": name,
        "receiptHandle": name,
        "body": text,
        "attributes": attributes,
    }


def run(work: Any, *records: dict[str, Any]) -> list[str]:
    handler = jobs.handler(work, queue_url="queue")
    answer = handler({"Records": list(records)}, Context())
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def fail_on_b(message: dict[str, Any], _: jobs.Delivery) -> None:
    if message["name"] == "b":
        raise OSError("disk full")


def test_only_the_failed_message_is_reported(sqs: FakeSqs) -> None:
    assert run(fail_on_b, record("a"), record("b"), record("c")) == ["b"]
    assert list(sqs.visibility) == ["b"]


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (2, 2), (4, 8), (9, 256), (30, 300)])
def test_it_comes_back_after_seconds_that_grow_with_its_attempts(
    sqs: FakeSqs, attempt: int, seconds: int
) -> None:
    run(fail_on_b, record("b", attempt=attempt))
    assert sqs.visibility == {"b": seconds}


@pytest.mark.parametrize(("asked", "seconds"), [(0.2, 1), (5, 5), (36_000, 36_000), (9e9, 42_300)])
def test_work_that_is_not_due_says_when_its_message_comes_back(
    sqs: FakeSqs, asked: float, seconds: int
) -> None:
    def not_due(message: dict[str, Any], _: jobs.Delivery) -> None:
        if message["name"] == "b":
            raise jobs.RetryLaterError(asked)

    assert run(not_due, record("a"), record("b", attempt=4)) == ["b"]
    assert sqs.visibility == {"b": seconds}


def test_a_message_that_is_no_json_is_a_failure_like_any_other(sqs: FakeSqs) -> None:
    assert run(fail_on_b, record("x", body="{")) == ["x"]


@pytest.mark.parametrize("broken", [False, True])
def test_long_work_holds_its_message_until_it_ends(sqs: FakeSqs, *, broken: bool) -> None:
    sqs.broken = broken

    def work(_: dict[str, Any], delivery: jobs.Delivery) -> None:
        with delivery.held(0.03):
            assert sqs.called_often.wait(20)

    threads = threading.active_count()
    assert run(work, record("a")) == []
    assert threading.active_count() == threads
    assert sqs.visibility == ({} if broken else {"a": 1})


def test_a_failure_has_the_last_word_on_when_a_held_message_comes_back(sqs: FakeSqs) -> None:
    def work(_: dict[str, Any], delivery: jobs.Delivery) -> None:
        with delivery.held(60):
            raise OSError("disk full")

    assert run(work, record("a", attempt=4)) == ["a"]
    assert sqs.visibility == {"a": 8}


def test_work_knows_when_its_function_is_ended(sqs: FakeSqs) -> None:
    told: list[float] = []
    now = time.monotonic()
    handler = jobs.handler(lambda _, delivery: told.append(delivery.deadline), queue_url="queue")
    handler({"Records": [record("a")]}, Context(remaining_seconds=40))
    assert [round(deadline - now) for deadline in told] == [40]
