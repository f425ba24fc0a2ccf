"""Analysers fail alone, are measured, and are called by their names in the log."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pytest

from audioapi.analysis import logs
from audioapi.analysis.agents import Agent, Agents, rounded
from audioapi.analysis.models import AgentResult, Analyser, Prosody, Sentiment
from audioapi.observe import logger

ANALYSER = Analyser(name="stopwatch", version="1")
SPOKEN = Prosody(pitch_hz_mean=180.0)


def broken() -> Prosody:
    raise ValueError("the secret is 42")


def result(agents: Agents, agent: Agent) -> AgentResult:
    return next(it for it in agents.results() if it.agent == agent)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    logger.thread_safe_clear_keys()  # of a request before
    written = io.StringIO()
    [handler] = logger.handlers
    monkeypatch.setattr(handler, "stream", written)
    return written


def logged(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_an_agent_tells_what_it_found_and_how_it_went() -> None:
    agents = Agents("conv_1")
    assert agents.find(Agent.PROSODY, ANALYSER, lambda: SPOKEN) == SPOKEN
    told = result(agents, Agent.PROSODY)
    assert (told.status, told.calls, told.analyser) == ("ok", 1, ANALYSER)
    assert told.latency_ms >= 0
    assert told.detail is None


def test_one_that_fails_finds_nothing_and_is_logged_once(lines: io.StringIO) -> None:
    agents = Agents("conv_1")
    for _ in range(3):
        assert agents.find(Agent.PROSODY, ANALYSER, broken) is None
    told = result(agents, Agent.PROSODY)
    assert (told.status, told.calls) == ("failed", 3)
    assert told.detail == "3 of 3 calls failed: ValueError"
    [line] = logged(lines)
    assert line["message"] == "[conv_1] analyser failed"
    assert line["conversation_id"] == "conv_1"
    assert line["agent"] == "prosody"


def test_one_that_fails_at_times_is_partial(lines: io.StringIO) -> None:
    agents = Agents("conv_1")
    agents.find(Agent.PROSODY, ANALYSER, broken)
    agents.find(Agent.PROSODY, ANALYSER, lambda: SPOKEN)
    assert result(agents, Agent.PROSODY).status == "partial"


def test_one_that_was_never_asked_is_skipped() -> None:
    told = result(Agents("conv_1"), Agent.EMOTION)
    assert (told.status, told.calls, told.analyser) == ("skipped", 0, None)


def test_all_agents_are_told_of_in_the_order_of_their_work() -> None:
    assert [it.agent for it in Agents("conv_1").results()] == list(Agent)


def test_a_fallback_says_why() -> None:
    agents = Agents("conv_1")
    agents.find(Agent.SUMMARY, ANALYSER, lambda: SPOKEN)
    stand_in = Analyser(name="stand-in", version="1")
    agents.credit(Agent.SUMMARY, stand_in, fallback="the model's answer was no summary")
    told = result(agents, Agent.SUMMARY)
    assert (told.status, told.analyser) == ("fallback", stand_in)
    assert told.detail == "the model's answer was no summary"


def test_latencies_are_taken_once() -> None:
    agents = Agents("conv_1")
    agents.took(Agent.TRANSCRIPT, ANALYSER, seconds=0.25)
    assert agents.take_latencies() == {Agent.TRANSCRIPT: [250.0]}
    assert agents.take_latencies() == {}


def test_numbers_have_three_decimals_and_are_numbers() -> None:
    found = rounded(Prosody(pitch_hz_mean=123.45678, pitch_hz_min=math.nan, pauses=2))
    assert found.model_dump() == {"pitch_hz_mean": 123.457, "pauses": 2}
    felt = Sentiment(label="neutral", compound=-0.00001, positive=0, neutral=1, negative=0)
    assert json.dumps(rounded(felt).compound) == "0.0"


def test_a_number_that_has_to_be_there_and_is_none_is_a_failure() -> None:
    agents = Agents("conv_1")
    felt = Sentiment.model_construct(
        label="neutral", compound=math.nan, positive=0.0, neutral=1.0, negative=0.0
    )
    assert agents.find(Agent.SENTIMENT, ANALYSER, lambda: felt) is None


def test_lines_of_other_modules_are_about_the_conversation_too(lines: io.StringIO) -> None:
    with logs.about("conv_1"):
        logger.warning("the model took its time")
    logger.info("something else")
    first, second = logged(lines)
    assert first["message"] == "[conv_1] the model took its time"
    assert (second["message"], second.get("conversation_id")) == ("something else", None)
