"""Metrics of many conversations at once, as they are kept and read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from audioapi import settings, tables
from audioapi.analysis import metrics
from audioapi.analysis.agents import Agent
from audioapi.analysis.models import EventType
from audioapi.identity import Principal
from tests.integration.audioapi.analysis import analysis_calls
from tests.integration.audioapi.analysis.analysis_calls import call

if TYPE_CHECKING:
    from local.template.model import Stack


@pytest.fixture(autouse=True)
def _caller(stack: Stack) -> None:
    analysis_calls.let_in()


def test_a_new_deployment_has_counted_nothing() -> None:
    answer = call("analysis_metrics")
    assert answer.status == 200
    assert set(answer.body["events"].values()) == {0}
    assert answer.body["agent_latency_ms"]["prosody"] == {"count": 0}
    assert answer.body["sse"]["consumers"] == 0


def test_what_is_counted_adds_up() -> None:
    for _ in range(2):
        metrics.count(
            events={EventType.FINAL_TRANSCRIPT: 3, EventType.DONE: 1},
            latencies={Agent.PROSODY: [3.0, 80.5], Agent.TRANSCRIPT: [700.0]},
            streams={"opened": 1, "events_sent": 9},
            delivery_ms=[12.0],
        )
    told = call("analysis_metrics").body
    assert told["events"]["final_transcript"] == 6
    assert told["events"]["done"] == 2
    assert told["agent_latency_ms"]["prosody"] == {
        "count": 4,
        "mean": 41.8,
        "p50": 5,
        "p95": 100,
        "max": 100,
    }
    assert told["sse"]["opened"] == 2
    assert told["sse"]["events_sent"] == 18
    assert told["sse"]["delivery_ms"]["count"] == 2


def test_everything_may_be_counted_at_once() -> None:
    metrics.count(
        events=dict.fromkeys(EventType, 1),
        latencies={agent: list(metrics.BORDERS_MS) for agent in Agent},
        streams=dict.fromkeys(metrics.STREAMS, 1),
        delivery_ms=metrics.BORDERS_MS,
    )
    told = metrics.snapshot().as_json()
    assert {taken["count"] for taken in told["agent_latency_ms"].values()} == {16}


def test_prometheus_gets_text() -> None:
    metrics.count(events={EventType.DONE: 1})
    answer = call("analysis_metrics", accept="text/plain;version=0.0.4")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'audioapi_analysis_events_total{type="done"} 1' in answer.body


def test_nobody_without_a_key_reads_them() -> None:
    answer = call("analysis_metrics", key=None)
    assert (answer.status, answer.body["code"]) == (401, "INVALID_KEY")
    analysis_calls.let_in("writer", Principal("u-1", "acme", ("write",)))
    assert call("analysis_metrics", key="writer").status == 403


def test_consumers_are_there_until_they_leave() -> None:
    consumers = [metrics.Consumer(f"stream-{n}") for n in range(3)]
    for consumer in consumers:
        consumer.renew()
        consumer.renew()
    assert metrics.snapshot().consumers == 3
    consumers[0].leave()
    assert metrics.snapshot().consumers == 2


def test_one_that_renewed_for_long_is_still_one_and_leaves_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_795_251_600.0
    monkeypatch.setattr(time, "time", lambda: now)
    consumer = metrics.Consumer("stream-1")
    for _ in range(10):
        consumer.renew()
        now += 10
    assert metrics.snapshot().consumers == 1
    consumer.leave()
    assert metrics.snapshot().consumers == 0


def test_one_that_died_drops_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_795_251_600.0
    monkeypatch.setattr(time, "time", lambda: now)
    metrics.Consumer("stream-1").renew()
    now += 61
    assert metrics.snapshot().consumers == 0


def test_a_table_that_fails_costs_the_counts_and_nothing_else() -> None:
    tables.client().delete_table(TableName=settings.analysis().analysis_table)
    metrics.count(events={EventType.DONE: 1})
    consumer = metrics.Consumer("stream-1")
    consumer.renew()
    consumer.leave()
