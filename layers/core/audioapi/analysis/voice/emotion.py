"""What an utterance felt like, on two dimensions: its words' valence, and its voice's arousal.

Russell: A circumplex model of affect (Journal of Personality and Social Psychology 39, 1980). That
arousal shows in pitch, its variation, loudness and rate: Scherer, Vocal communication of emotion
(Speech Communication 40, 2003). How much each counts is chosen, not fitted to data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

from audioapi.analysis.models import Analyser, Emotion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from audioapi.analysis.models import Mood, Prosody, Sentiment, Utterance

ANALYSER = Analyser(name="valence-arousal", version="1.0.0")

_LOOK_BACK = 50
_ENOUGH = 3
_NEUTRAL = 0.05
"""VADER's authors' border of what is neither positive nor negative."""


@dataclass(frozen=True)
class _Sign:
    """Of arousal. `least_deviation` keeps one who speaks evenly from seeming to shout; `usual` is
    what arousal is told by before a speaker is known, where that is alike in all of them.
    """

    value: Callable[[Prosody], float | None]
    least_deviation: float
    usual: tuple[float, float] | None = None


_SIGNS = (
    _Sign(lambda it: it.pitch_hz_mean and 12 * math.log2(it.pitch_hz_mean), 1.0),  # semitones
    _Sign(lambda it: it.pitch_semitones_sd, 0.5, usual=(2.5, 1.0)),
    _Sign(lambda it: it.intensity_db_mean, 2.0),
    _Sign(lambda it: it.words_per_minute, 20.0, usual=(160.0, 40.0)),
)


def emotion(sentiment: Sentiment, prosody: Prosody, before: Sequence[Utterance]) -> Emotion:
    """`before` are earlier utterances of the same speaker, of which the last 50 count.

    Valence is the sentiment's compound. Arousal is 1 / (1 + e^-z), z being the mean of the z-scores
    of pitch in semitones, its deviation, intensity and rate: against the speaker's earlier ones if
    there are three; else of deviation and rate against usual values. Absent without any of these.
    The label is the quadrant; neutral if valence is within 0.05 of 0, or arousal isn't known.
    """
    spoken = [utterance.prosody for utterance in before[-_LOOK_BACK:]]
    scores = [score for sign in _SIGNS if (score := _score(sign, prosody, spoken)) is not None]
    arousal = 1 / (1 + math.exp(-fmean(scores))) if scores else None
    return Emotion(
        valence=sentiment.compound, arousal=arousal, label=_label(sentiment.compound, arousal)
    )


def _score(sign: _Sign, prosody: Prosody, before: Sequence[Prosody]) -> float | None:
    value = sign.value(prosody)
    known = [earlier for each in before if (earlier := sign.value(each)) is not None]
    if value is None:
        return None
    if len(known) >= _ENOUGH:
        return (value - fmean(known)) / max(pstdev(known), sign.least_deviation)
    if sign.usual is None:
        return None
    mean, deviation = sign.usual
    return (value - mean) / deviation


def _label(valence: float, arousal: float | None) -> Mood:
    if arousal is None or abs(valence) < _NEUTRAL:
        return "neutral"
    if valence > 0:
        return "excited" if arousal > 1 / 2 else "calm"
    return "tense" if arousal > 1 / 2 else "subdued"
