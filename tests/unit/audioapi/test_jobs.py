"""Messages are done one by one; a failed one comes back soon, and only that one."""

from __future__ import annotations

import json
import mmap
import multiprocessing
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError

from audioapi import jobs, queues
from tests.patience import until
from tests.unit.audioapi.context import Context

if TYPE_CHECKING:
    from collections.abc import Iterator

_OFTEN = 4
RECORD = json.loads(Path("events/jobs_worker.json").read_text())["Records"][0]


class FakeSqs:
    """Knows what is said in another process, too."""

    def __init__(self, log: Path) -> None:
        self.broken = False
        self._calls = mmap.mmap(-1, 1)
        self._log = log
        self._log.touch()

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


@pytest.mark.parametrize("broken", [False, True])
def test_long_work_holds_its_message_until_it_ends(sqs: FakeSqs, *, broken: bool) -> None:
    sqs.broken = broken

    def work(_: dict[str, Any], delivery: jobs.Delivery) -> None:
        with delivery.held(0.03):
            until(lambda: sqs.calls >= _OFTEN)

    assert run(work, record("a")) == []
    assert multiprocessing.active_children() == []
    assert sqs.visibility == ({} if broken else {"a": 1})


@pytest.mark.usefixtures("_one_thread_only")
def test_work_that_lets_no_other_thread_run_holds_its_message(sqs: FakeSqs) -> None:
    def work(_: dict[str, Any], delivery: jobs.Delivery) -> None:
        with delivery.held(0.03):
            while sqs.calls < _OFTEN:
                pass

    assert run(work, record("a")) == []
    assert sqs.visibility == {"a": 1}


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
