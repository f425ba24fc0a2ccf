"""Words say how pleasant it was, the voice how exciting: for this speaker."""

from __future__ import annotations

import pytest

from audioapi.analysis.models import Prosody, Sentiment, Utterance
from audioapi.analysis.voice.emotion import emotion

CALM = Prosody(pitch_hz_mean=120, pitch_semitones_sd=2, intensity_db_mean=-30, words_per_minute=140)
LIVELY = Prosody(
    pitch_hz_mean=180, pitch_semitones_sd=4, intensity_db_mean=-20, words_per_minute=200
)


def words(compound: float) -> Sentiment:
    label = "neutral"
    return Sentiment(label=label, compound=compound, positive=0, neutral=1, negative=0)


def spoken(prosody: Prosody, times: int) -> list[Utterance]:
    return [
        Utterance(
            utterance_id=str(n), speaker="a", t_start=n, t_end=n + 1, text="", prosody=prosody
        )
        for n in range(times)
    ]


@pytest.mark.parametrize(
    ("compound", "prosody", "label"),
    [
        (0.8, LIVELY, "excited"),
        (-0.8, LIVELY, "tense"),
        (0.8, CALM, "calm"),
        (-0.8, CALM, "subdued"),
        (0.01, LIVELY, "neutral"),
    ],
)
def test_a_mood_is_a_quadrant(compound: float, prosody: Prosody, label: str) -> None:
    found = emotion(words(compound), prosody, spoken(CALM, 5) + spoken(LIVELY, 5))
    assert (found.label, found.valence) == (label, compound)


def test_what_one_does_all_the_time_is_in_the_middle() -> None:
    for prosody in (CALM, LIVELY):
        assert emotion(words(0), prosody, spoken(prosody, 10)).arousal == pytest.approx(0.5)


def test_a_louder_voice_is_more_aroused_than_the_speakers_usual_one() -> None:
    louder = CALM.model_copy(update={"intensity_db_mean": -26.0})
    arousal = emotion(words(0), louder, spoken(CALM, 3)).arousal
    # Two deviations of one of four signs.
    assert arousal == pytest.approx(1 / (1 + 2.718281828 ** -(2 / 4)))


def test_of_a_stranger_only_rate_and_variation_count() -> None:
    loud_and_high = CALM.model_copy(update={"intensity_db_mean": 0.0, "pitch_hz_mean": 400.0})
    for before in ([], spoken(CALM, 2)):
        assert emotion(words(0), loud_and_high, before) == emotion(words(0), CALM, before)
        lively = emotion(words(0), LIVELY, before).arousal
        calm = emotion(words(0), CALM, before).arousal
        assert lively is not None
        assert calm is not None
        assert calm < 0.5 < lively


def test_without_a_voice_there_is_no_arousal() -> None:
    found = emotion(words(0.9), Prosody(), spoken(CALM, 5))
    assert (found.arousal, found.label) == (None, "neutral")
    assert "arousal" not in found.model_dump()


def test_only_the_last_fifty_count() -> None:
    recent = spoken(CALM, 50)
    assert emotion(words(0), CALM, spoken(LIVELY, 100) + recent) == emotion(words(0), CALM, recent)


def test_extremes_stay_in_bounds() -> None:
    shouting = Prosody(
        pitch_hz_mean=500, pitch_semitones_sd=40, intensity_db_mean=0, words_per_minute=6000
    )
    found = emotion(words(-1), shouting, spoken(CALM, 5))
    assert found.arousal == pytest.approx(1)
    assert found.label == "tense"
