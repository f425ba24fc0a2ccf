"""What changes from one utterance to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioapi.analysis.models import Analyser, Transition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Literal

    from audioapi.analysis.models import Utterance

ANALYSER = Analyser(name="transitions", version="1")

_LOOK_BACK = 20
"""Utterances, among which the same speaker's previous one is looked for."""

_PACE_RATIO = 1.5
_PACE_WORDS = 5
"""Fewer have no pace to speak of: one long word or one pause makes it."""


def transitions(timeline: Sequence[Utterance]) -> list[Transition]:
    """Those that the timeline's last utterance makes against what was before."""
    return list(_transitions(timeline[-1 - _LOOK_BACK :]))


def _transitions(recent: Sequence[Utterance]) -> Iterator[Transition]:
    if len(recent) < 2:  # noqa: PLR2004 — a change needs two
        return
    *before, now = recent
    if before[-1].speaker != now.speaker:
        yield _changed("speaker", before[-1], now, before[-1].speaker, now.speaker)
    previous = next((it for it in reversed(before) if it.speaker == now.speaker), None)
    if previous:
        yield from _of_speaker(previous, now)


def _of_speaker(previous: Utterance, now: Utterance) -> Iterator[Transition]:
    if previous.sentiment and now.sentiment and previous.sentiment.label != now.sentiment.label:
        labels = previous.sentiment.label, now.sentiment.label
        yield _changed("sentiment", previous, now, *labels)
    if previous.emotion and now.emotion and previous.emotion.label != now.emotion.label:
        yield _changed("emotion", previous, now, previous.emotion.label, now.emotion.label)
    paces = _pace(previous), _pace(now)
    if min(paces) * _PACE_RATIO <= max(paces) and min(paces) > 0:
        yield _changed("pace", previous, now, *(f"{pace:.0f} words per minute" for pace in paces))


def _pace(utterance: Utterance) -> float:
    """Words per minute, 0 where it isn't known."""
    enough = len(utterance.text.split()) >= _PACE_WORDS
    return (enough and utterance.prosody.words_per_minute) or 0.0


def _changed(
    kind: Literal["speaker", "sentiment", "emotion", "pace"],
    previous: Utterance,
    now: Utterance,
    before: str,
    after: str,
) -> Transition:
    return Transition(
        kind=kind,
        from_utterance_id=previous.utterance_id,
        to_utterance_id=now.utterance_id,
        t=now.t_start,
        before=before,
        after=after,
        speaker=None if kind == "speaker" else now.speaker,
    )
