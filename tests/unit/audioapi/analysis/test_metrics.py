"""What the totals say, and how Prometheus reads it."""

from __future__ import annotations

from collections import Counter

import pytest

from audioapi.analysis import prometheus
from audioapi.analysis.agents import Agent
from audioapi.analysis.metrics import BORDERS_MS, Histogram, Snapshot, Totals
from audioapi.analysis.models import EventType


def histogram(*latencies_ms: float) -> Histogram:
    made = Histogram()
    made.add(latencies_ms)
    return made


def test_a_histogram_tells_by_the_borders_of_its_buckets() -> None:
    told = histogram(*[3.0] * 50, *[80.0] * 45, *[4000.0] * 5).as_json()
    assert told == {"count": 100, "mean": 237.5, "p50": 5, "p95": 100, "max": 5000}


def test_one_without_calls_has_nothing_to_tell() -> None:
    assert Histogram().as_json() == {"count": 0}


def test_what_takes_longer_than_the_last_border_is_counted() -> None:
    endless = histogram(BORDERS_MS[-1] * 2)
    assert endless.count == 1
    assert endless.cumulative()[-2:] == [0, 1]
    assert endless.as_json()["max"] == BORDERS_MS[-1]


def test_json_names_every_event_and_agent() -> None:
    told = Snapshot(Totals(events=Counter({EventType.DONE: 2})), consumers=1).as_json()
    assert set(told["events"]) == set(EventType)
    assert told["events"]["done"] == 2
    assert set(told["agent_latency_ms"]) == set(Agent)
    assert told["sse"]["consumers"] == 1


def test_prometheus_reads_counters_gauges_and_histograms() -> None:
    totals = Totals(events=Counter({EventType.DONE: 2}), streams=Counter({"opened": 4}))
    totals.agents[Agent.PROSODY].add([3.0, 80.0])
    lines = prometheus.text(Snapshot(totals, consumers=3)).splitlines()
    assert 'audioapi_analysis_events_total{type="done"} 2' in lines
    assert "audioapi_sse_consumers 3" in lines
    assert "audioapi_sse_opened_total 4" in lines
    name = "audioapi_analysis_agent_latency_seconds"
    assert f'{name}_bucket{{agent="prosody",le="0.002"}} 0' in lines
    assert f'{name}_bucket{{agent="prosody",le="0.005"}} 1' in lines
    assert f'{name}_bucket{{agent="prosody",le="+Inf"}} 2' in lines
    assert f'{name}_sum{{agent="prosody"}} 0.083000' in lines
    assert f'{name}_count{{agent="prosody"}} 2' in lines
    described = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(described) == len(set(described))


def test_prometheus_gets_a_last_line_that_ends() -> None:
    assert prometheus.text(Snapshot(Totals(), consumers=0)).endswith("\n")


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/plain", True),
        ("text/plain; version=0.0.4", True),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3", True),
        ("application/json", False),
        ("application/json, text/plain, */*", False),
        ("text/html,*/*;q=0.8", False),
        ("text/plain;q=0", False),
        ("*/*", False),
        ("", False),
        (";;,q=", False),
    ],
)
def test_text_is_for_those_who_ask_for_it(accept: str, wanted: bool) -> None:  # noqa: FBT001
    assert prometheus.is_wanted(accept) is wanted
