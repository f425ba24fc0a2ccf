"""Counts over a whole conversation."""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import fmean
from typing import TYPE_CHECKING

from audioapi.analysis.models import Analyser, Insights, SpeakerInsights

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

    from audioapi.analysis.models import Moment, Transition, Utterance

ANALYSER = Analyser(name="counts", version="1")

_TREND_UTTERANCES = 6
_TREND = 0.1
"""As wide as what VADER's authors call neutral."""


def insights(
    timeline: Sequence[Utterance],
    moments: Iterable[Moment],
    transitions: Iterable[Transition],
    *,
    duration_seconds: float,
) -> Insights:
    """Times in which several spoke count once for `speech_seconds`, and for each of them in
    `talk_seconds`, of whose sum `talk_ratio` is a part.
    """
    kinds = Counter(moment.kind for moment in moments)
    speech = _speech_seconds(timeline)
    compounds = _compounds(timeline)
    return Insights(
        duration_seconds=duration_seconds,
        speech_seconds=speech,
        silence_ratio=max(1 - speech / duration_seconds, 0.0) if duration_seconds else 0.0,
        speaker_changes=sum(transition.kind == "speaker" for transition in transitions),
        questions=kinds["question"],
        objections=kinds["objection"],
        commitments=kinds["commitment"],
        mean_sentiment=_mean(compounds),
        sentiment_trend=_trend(compounds),
        speakers=_speakers(timeline),
    )


def _speakers(timeline: Iterable[Utterance]) -> list[SpeakerInsights]:
    """In the order in which they began to speak."""
    said: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in timeline:
        said[utterance.speaker].append(utterance)
    all_seconds = sum(_talk_seconds(own) for own in said.values())
    return [_speaker(speaker, own, all_seconds) for speaker, own in said.items()]


def _speaker(speaker: str, own: Sequence[Utterance], all_seconds: float) -> SpeakerInsights:
    words = sum(len(utterance.text.split()) for utterance in own)
    seconds = _talk_seconds(own)
    arousals = [it.emotion.arousal for it in own if it.emotion and it.emotion.arousal is not None]
    return SpeakerInsights(
        speaker=speaker,
        utterances=len(own),
        words=words,
        talk_seconds=seconds,
        talk_ratio=min(seconds / all_seconds, 1.0) if all_seconds else 0.0,
        words_per_minute=words / seconds * 60 if words and seconds else None,
        mean_sentiment=_mean(_compounds(own)),
        mean_arousal=_mean(arousals),
    )


def _talk_seconds(own: Iterable[Utterance]) -> float:
    return sum(utterance.t_end - utterance.t_start for utterance in own)


def _speech_seconds(timeline: Iterable[Utterance]) -> float:
    seconds = until = 0.0
    for start, end in sorted((it.t_start, it.t_end) for it in timeline):
        seconds += max(end - max(start, until), 0.0)
        until = max(until, end)
    return seconds


def _compounds(timeline: Iterable[Utterance]) -> list[float]:
    return [it.sentiment.compound for it in timeline if it.sentiment]


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _trend(compounds: Sequence[float]) -> Literal["rising", "falling", "steady"] | None:
    """From the first third of the utterances to the last."""
    if len(compounds) < _TREND_UTTERANCES:
        return None
    third = len(compounds) // 3
    change = fmean(compounds[-third:]) - fmean(compounds[:third])
    if abs(change) < _TREND:
        return "steady"
    return "rising" if change > 0 else "falling"
