"""Counts over a conversation."""

from __future__ import annotations

import pytest
from hypothesis import given

from audioapi.analysis.models import Emotion, Insights, Utterance
from audioapi.analysis.text.insights import insights
from audioapi.analysis.text.moments import moments
from audioapi.analysis.text.sentiment import sentiment
from audioapi.analysis.text.transitions import transitions
from tests.unit.audioapi.analysis.talk import TIMELINES, conversation


def counted(timeline: list[Utterance], duration_seconds: float) -> Insights:
    found = [moment for utterance in timeline for moment in moments(utterance)]
    changes = [it for end in range(len(timeline)) for it in transitions(timeline[: end + 1])]
    return insights(timeline, found, changes, duration_seconds=duration_seconds)


def test_who_said_how_much() -> None:
    timeline = conversation(
        "anna: what is the price", "ben: i will send it to you", "anna: it is too expensive"
    )
    found = counted(timeline, 10.0)
    assert found.speech_seconds == 7.0
    assert found.silence_ratio == pytest.approx(0.3)
    assert (found.questions, found.objections, found.commitments) == (1, 1, 1)
    assert found.speaker_changes == 2
    anna, ben = found.speakers
    assert (anna.speaker, anna.utterances, anna.words, anna.talk_seconds) == ("anna", 2, 8, 4.0)
    assert (ben.speaker, ben.utterances, ben.words, ben.talk_seconds) == ("ben", 1, 6, 3.0)
    assert anna.talk_ratio == pytest.approx(4 / 7)
    assert ben.words_per_minute == 120
    assert found.model_dump().keys().isdisjoint({"mean_sentiment", "sentiment_trend"})


def test_what_is_said_at_once_is_no_more_time() -> None:
    first, second = conversation("anna: one two three four", "ben: one two three four")
    together = [first, second.model_copy(update={"t_start": 1.0, "t_end": 3.0})]
    found = counted(together, 4.0)
    assert (found.speech_seconds, found.silence_ratio) == (3.0, 0.25)
    assert [it.talk_seconds for it in found.speakers] == [2.0, 2.0]


@pytest.mark.parametrize(
    ("texts", "trend"),
    [
        (["terrible", "awful", "well", "so", "good", "great"], "rising"),
        (["great", "good", "well", "so", "awful", "terrible"], "falling"),
        (["the", "so", "terrible", "great", "so", "and"], "steady"),
        (["terrible", "awful", "good", "great", "great"], None),
    ],
)
def test_where_the_feeling_goes(texts: list[str], trend: str | None) -> None:
    timeline = [
        it.model_copy(update={"sentiment": sentiment(it.text)})
        for it in conversation(*(f"anna: {text}" for text in texts))
    ]
    assert counted(timeline, 60.0).sentiment_trend == trend


def test_means_are_of_what_is_known() -> None:
    calm, loud, unknown = conversation("anna: well", "anna: well", "anna: well")
    timeline = [
        calm.model_copy(update={"emotion": Emotion(valence=0, arousal=0.2, label="calm")}),
        loud.model_copy(update={"emotion": Emotion(valence=0, arousal=0.6, label="excited")}),
        unknown.model_copy(update={"emotion": Emotion(valence=0, label="neutral")}),
    ]
    [anna] = counted(timeline, 10.0).speakers
    assert anna.mean_arousal == pytest.approx(0.4)
    assert anna.mean_sentiment is None


def test_nothing_was_said() -> None:
    assert counted([], 5.0).model_dump() == {
        "duration_seconds": 5.0,
        "speech_seconds": 0.0,
        "silence_ratio": 1.0,
        "speaker_changes": 0,
        "questions": 0,
        "objections": 0,
        "commitments": 0,
        "speakers": [],
    }


@given(TIMELINES)
def test_any_timeline_can_be_counted(timeline: list[Utterance]) -> None:
    forward = [it for it in timeline if it.t_end >= it.t_start]
    found = counted(forward, 10_000.0)
    assert sum(it.utterances for it in found.speakers) == len(forward)
    assert found.speech_seconds <= 10_000
