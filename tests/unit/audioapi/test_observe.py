"""Metrics are log lines that CloudWatch reads; a request's id goes with the work that it causes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import pytest

from audioapi import jobs, queues
from audioapi.observe import UNITS, Metric, logger, measure
from tests.unit.audioapi.context import Context
from tests.unit.audioapi.test_jobs import record

if TYPE_CHECKING:
    from collections.abc import Iterator


class FakeSqs:
    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send_message(self, **request: Any) -> None:
        self.sent.append(request)

    def change_message_visibility(self, **request: Any) -> None:
        pass


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSqs]:
    fake = FakeSqs()
    monkeypatch.setattr(queues, "client", lambda: fake)
    yield fake
    logger.set_correlation_id(None)


def test_values_and_their_units_are_told_in_the_embedded_metric_format(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "audio-prod")
    measure({"Chunks": 1, "AckLatency": 12.5}, code="NOT_FOUND")
    told = json.loads(capsys.readouterr().out)
    [metrics] = told["_aws"]["CloudWatchMetrics"]
    assert metrics["Namespace"] == "Audio"
    assert sorted(metrics["Dimensions"][0]) == ["code", "service"]
    assert {metric["Name"]: metric["Unit"] for metric in metrics["Metrics"]} == {
        "Chunks": "Count",
        "AckLatency": "Milliseconds",
    }
    assert (told["Chunks"], told["AckLatency"]) == ([1.0], [12.5])
    assert (told["service"], told["code"]) == ("audio-prod", "NOT_FOUND")


def test_units_are_those_of_metrics() -> None:
    assert set(UNITS) <= set(get_args(Metric))


def test_a_message_carries_the_id_of_the_request_that_caused_it(sqs: FakeSqs) -> None:
    logger.set_correlation_id("request-1")
    queues.send("queue", {"name": "a"})
    carried = sqs.sent[0]["MessageAttributes"]["correlation_id"]["StringValue"]
    seen: list[str | None] = []
    received = {
        **record("a"),
        "messageAttributes": {"correlation_id": {"stringValue": carried, "dataType": "String"}},
    }

    def work(_: dict[str, Any], __: jobs.Delivery) -> None:
        seen.append(logger.get_correlation_id())
        queues.send("another", {"name": "b"})

    jobs.handler(work, queue_url="queue")({"Records": [received, record("c")]}, Context())
    assert seen == ["request-1", "c"]
    assert [sent["MessageAttributes"]["correlation_id"]["StringValue"] for sent in sqs.sent] == [
        "request-1",
        "request-1",
        "c",
    ]
