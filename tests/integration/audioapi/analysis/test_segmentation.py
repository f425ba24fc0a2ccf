"""`POST /analyze/segmentation`, with timelines that callers bring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from audioapi.analysis import metrics
from audioapi.identity import Principal
from tests.integration.audioapi.analysis import analysis_calls
from tests.integration.audioapi.analysis.analysis_calls import call

if TYPE_CHECKING:
    from local.template.model import Stack

SAMPLE = json.loads(json.loads(Path("events/analyze_segmentation.json").read_text())["body"])


@pytest.fixture(autouse=True)
def _caller(stack: Stack) -> None:
    analysis_calls.let_in()


def with_line(**members: Any) -> dict[str, Any]:
    return {"timeline": [{**SAMPLE["timeline"][0], **members}]}


def test_a_timeline_is_cut_into_segments() -> None:
    answer = call("analyze_segmentation")
    assert answer.status == 200
    [*_, last] = segments = answer.body["segments"]
    assert segments[0]["t_start"] == 0.4
    assert last["t_end"] == 6.9
    told = [name for segment in segments for name in segment["utterance_ids"]]
    assert told == ["utt_0001", "utt_0002"]
    assert answer.body["analyser"]["name"]


def test_it_is_measured() -> None:
    call("analyze_segmentation")
    assert metrics.snapshot().as_json()["agent_latency_ms"]["segmentation"]["count"] == 1


def test_what_an_analysis_says_besides_is_passed_over() -> None:
    body = with_line(prosody={"pitch_hz_mean": "high"}, emotion=None, more=[1])
    assert call("analyze_segmentation", body=body).status == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "timeline"),
        ({"timeline": None}, "timeline"),
        ({"timeline": []}, "timeline"),
        ({"timeline": "utt_0001"}, "timeline"),
        ({"timeline": [{}]}, "timeline.0.utterance_id"),
        (with_line(t_start="soon"), "timeline.0.t_start"),
        (with_line(t_end=-1), "timeline.0.t_end"),
        (with_line(text=None), "timeline.0.text"),
        ({**SAMPLE, "context": "x" * 1001}, "context"),
        ({"timeline": SAMPLE["timeline"] * 5001}, "timeline"),
        ("[]", "body"),
        ("{", "body"),
    ],
)
def test_what_is_wrong_is_named(body: object, field: str) -> None:
    answer = call("analyze_segmentation", body=body)
    assert (answer.status, answer.body["code"]) == (400, "INVALID_REQUEST")
    assert answer.body["field"] == field
    assert field in answer.body["detail"]


def test_a_number_that_is_none_is_refused() -> None:
    body = json.dumps(with_line(t_end=float("nan")))
    assert call("analyze_segmentation", body=body).status == 400


def test_it_needs_a_key_that_may_read() -> None:
    assert call("analyze_segmentation", key=None).status == 401
    analysis_calls.let_in("writer", Principal("u-1", "acme", ("write",)))
    assert call("analyze_segmentation", key="writer").status == 403
