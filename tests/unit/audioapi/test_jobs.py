"""Messages are done one by one; a failed one comes back soon, and only that one."""

from __future__ import annotations

import json
import mmap
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError

from audioapi import jobs, queues
from audioapi.clock import now_ms
from audioapi.problems import UnavailableError
from tests.patience import until
from tests.unit.audioapi.context import Context

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.process import BaseProcess

_OFTEN = 4
RECORD = json.loads(Path("events/jobs_worker.json").read_text())["Records"][0]


class FakeSqs:
    """Knows what is said in another process, too."""

    def __init__(self, log: Path) -> None:
        self.broken = False
        self._calls = mmap.mmap(-1, 1)
        self._log = log
        self._log.touch()
        self.sent: list[dict[str, Any]] = []

    def send_message(self, **request: Any) -> None:
        if self.broken:
            raise EndpointConnectionError(endpoint_url="sqs")
        self.sent.append(request)

    def change_message_visibility(self, **request: Any) -> None:
        self._calls[0] += 1
        if self.broken:
            raise EndpointConnectionError(endpoint_url="sqs")
        with self._log.open("a") as log:
            log.write(json.dumps([request["ReceiptHandle"], request["VisibilityTimeout"]]) + "\n")

    def close(self) -> None:
        """Nothing: there is no connection."""

    @property
    def calls(self) -> int:
        return self._calls[0]

    @property
    def visibility(self) -> dict[str, int]:
        """Each message's seconds, as they were said last."""
        return dict(json.loads(line) for line in self._log.read_text().splitlines())


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeSqs:
    fake = FakeSqs(tmp_path / "sqs.jsonl")
    monkeypatch.setattr(queues, "client", lambda: fake)
    return fake


@pytest.fixture
def _one_thread_only() -> Iterator[None]:
    """Whoever has the interpreter keeps it, as PocketSphinx does while it decodes."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(10**6)
    yield
    sys.setswitchinterval(usual)


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


@pytest.fixture
def _never_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the holder may not run for so short a time, and we would be killed."""
    monkeypatch.setattr(queues, "_kill_worker_in", lambda *_: None)


@pytest.mark.usefixtures("_never_missed")
def test_long_work_holds_its_message_until_it_ends(sqs: FakeSqs) -> None:
    def work(_: dict[str, Any], delivery: jobs.Delivery) -> None:
        with delivery.held(0.03):
            until(lambda: sqs.calls >= _OFTEN)

    assert run(work, record("a")) == []
    assert multiprocessing.active_children() == []
    assert sqs.visibility == {"a": 1}


def test_a_message_that_cannot_be_held_for_a_moment_is_still_held(sqs: FakeSqs) -> None:
    sqs.broken = True

    def work(_: dict[str, Any], delivery: jobs.Delivery) -> None:
        with delivery.held(60):
            until(lambda: sqs.calls >= 1)

    assert run(work, record("a")) == []
    assert multiprocessing.active_children() == []


@pytest.mark.usefixtures("_never_missed", "_one_thread_only")
def test_work_that_lets_no_other_thread_run_holds_its_message(sqs: FakeSqs) -> None:
    def work(_: dict[str, Any], delivery: jobs.Delivery) -> None:
        with delivery.held(0.03):
            while sqs.calls < _OFTEN:
                pass

    assert run(work, record("a")) == []
    assert sqs.visibility == {"a": 1}


def hold_for_ever(sqs: FakeSqs, *, seconds: float) -> BaseProcess:
    """A worker, in a group of its own."""

    def work(_: dict[str, Any], delivery: jobs.Delivery) -> None:
        os.setpgrp()
        with delivery.held(seconds):
            signal.pause()

    worker = multiprocessing.get_context("fork").Process(target=run, args=(work, record("a")))
    worker.start()
    until(lambda: sqs.calls >= 1)
    return worker


def test_a_worker_whose_message_cannot_be_held_any_more_ends(sqs: FakeSqs) -> None:
    sqs.broken = True
    worker = hold_for_ever(sqs, seconds=0.2)
    until(lambda: not worker.is_alive())
    assert worker.exitcode == -signal.SIGKILL


def test_a_worker_that_was_stopped_for_longer_than_it_is_missed_ends(sqs: FakeSqs) -> None:
    worker = hold_for_ever(sqs, seconds=1)
    assert worker.pid
    os.killpg(worker.pid, signal.SIGSTOP)
    asked, missed_at = sqs.calls, time.monotonic() + 1
    until(lambda: time.monotonic() > missed_at)
    os.killpg(worker.pid, signal.SIGCONT)
    until(lambda: not worker.is_alive())
    assert worker.exitcode == -signal.SIGKILL
    assert sqs.calls <= asked + 1


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


HOURS = 6
AWAY = EndpointConnectionError(endpoint_url="s3")


def client_error(status: int, code: str) -> ClientError:
    told: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(told, "GetObject")


def again(sent: dict[str, Any], *, at: int) -> dict[str, Any]:
    """The record of a message that was sent."""
    told = {
        name: {"stringValue": each["StringValue"], "dataType": each["DataType"]}
        for name, each in sent["MessageAttributes"].items()
    }
    attributes = {**RECORD["attributes"], "SentTimestamp": str(at)}
    return {
        **RECORD,
        "body": sent["MessageBody"],
        "attributes": attributes,
        "messageAttributes": told,
    }


def run_away(record: dict[str, Any], error: Exception = AWAY) -> bool:
    """Whether a message is done with, as far as the queue knows."""

    def work(_: dict[str, Any], __: jobs.Delivery) -> None:
        raise error

    handler = jobs.handler(work, queue_url="queue", passing_hours=HOURS)
    return handler({"Records": [record]}, Context()) == {"batchItemFailures": []}


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (AWAY, True),
        (ConnectionClosedError(endpoint_url="s3"), True),
        (client_error(503, "SlowDown"), True),
        (client_error(400, "ThrottlingException"), True),
        (UnavailableError("The database can't be reached"), True),
        (client_error(403, "AccessDenied"), False),
        (client_error(404, "NoSuchKey"), False),
        (OSError("disk full"), False),
        (ValueError("no audio"), False),
    ],
)
def test_a_failure_passes_if_a_service_was_away_or_busy(error: Exception, *, passes: bool) -> None:
    assert jobs.passes(error) is passes


def test_a_failure_that_passes_is_tried_by_the_age_of_its_message(
    sqs: FakeSqs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With growing pauses; and a copy was received by nobody yet, however often that was done."""
    first = 1_800_000_000_000
    waiting, waited = again({"MessageBody": "{}", "MessageAttributes": {}}, at=first), 0
    while waited < HOURS * 3_600_000:
        monkeypatch.setattr(jobs, "now_ms", lambda: first + waited)  # noqa: B023 - at once
        assert run_away(waiting)
        waited += 1000 * sqs.sent[-1]["DelaySeconds"]
        waiting = again(sqs.sent[-1], at=first + waited)
    pauses = [each["DelaySeconds"] for each in sqs.sent]
    assert pauses[:10] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    monkeypatch.setattr(jobs, "now_ms", lambda: first + waited)
    assert not run_away(waiting)


def test_in_a_fifo_queue_a_copy_waits_when_it_is_received(sqs: FakeSqs) -> None:
    """Behind the others of its group, as the queue takes no delay of one message."""
    group = {"MessageGroupId": "live_5f0d3a91", "SentTimestamp": str(now_ms())}
    first = {**RECORD, "attributes": {**RECORD["attributes"], **group}}
    assert run_away(first)
    copy = again(sqs.sent[-1], at=now_ms())
    assert sqs.sent[-1]["MessageGroupId"] == "live_5f0d3a91"
    assert sqs.sent[-1]["MessageDeduplicationId"] == RECORD["messageId"]
    assert "DelaySeconds" not in sqs.sent[-1]
    copy["attributes"] |= group
    assert run(lambda *_: pytest.fail("it is early"), copy) == [RECORD["messageId"]]
    assert sqs.visibility == {RECORD["receiptHandle"]: 1}
    copy["attributes"]["ApproximateReceiveCount"] = "2"
    assert run(lambda *_: None, copy) == []


def test_a_failure_of_the_work_itself_is_tried_by_count(sqs: FakeSqs) -> None:
    assert not run_away(record("a", attempt=2) | {"messageAttributes": {}}, ValueError("no audio"))
    assert sqs.sent == []


def test_a_message_that_can_not_be_sent_again_comes_back(sqs: FakeSqs) -> None:
    sqs.broken = True
    recent = {**RECORD["attributes"], "SentTimestamp": str(now_ms())}
    with pytest.raises(EndpointConnectionError):  # nor can it be put off: its visibility ends
        run_away({**RECORD, "attributes": recent})
