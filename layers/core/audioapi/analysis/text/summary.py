"""What was said, in short: by what was said most about, or by a model that is asked."""

from __future__ import annotations

import math
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from audioapi import settings
from audioapi.analysis.models import Analyser, Summary
from audioapi.analysis.text import bedrock, terms
from audioapi.observe import logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from audioapi.analysis.models import Moment, Segmentation, Utterance

ANALYSER = Analyser(name="extractive", version="1")

_OVERVIEW_UTTERANCES = 3
_UTTERANCES_EACH = 5
"""So many utterances a sentence of the overview stands for, at least."""

_INSIGHT_UTTERANCES = 3
_ITEMS = 20
_TOPICS = 10
_CHARACTERS = 300
_TELLING_WORDS = 3
"""An utterance with fewer content words can't stand alone."""

_OVERLAP = 0.5
"""Of two that share so much of the shorter one's words, one is enough."""


def summarise(
    timeline: Sequence[Utterance],
    segmentation: Segmentation,
    moments: Sequence[Moment],
    *,
    goal: str | None,
) -> Summary:
    """By whom SUMMARISER names. A model that can't be asked, or whose answer doesn't fit, is logged
    and stood in for.
    """
    if settings.analysis().summariser == "extractive":
        return extract(timeline, segmentation, moments, goal=goal)
    try:
        return bedrock.summarise(timeline, goal=goal)
    except bedrock.BedrockError as error:
        logger.warning("summary fell back to extraction", reason=str(error), exc_info=error)
        summary = extract(timeline, segmentation, moments, goal=goal)
        return summary.model_copy(update={"fallback": str(error)})


def extract(
    timeline: Sequence[Utterance],
    segmentation: Segmentation,
    moments: Sequence[Moment],
    *,
    goal: str | None,
) -> Summary:
    """The most central utterances, and what was found in the others, in their own words.

    Radev, Jing, Styś, Tam: Centroid-based summarization of multiple documents (2004).
    """
    central = _central(timeline, goal)
    chosen = sorted(central[: _overview_size(timeline)])
    others = sorted(central[len(chosen) : len(chosen) + _INSIGHT_UTTERANCES])
    return Summary(
        overview=" ".join(_quoted(timeline[at]) for at in chosen) or "No words were recognised.",
        key_insights=[
            *_counts(moments),
            *_topics(segmentation),
            *(_quoted(timeline[at], when=True) for at in others),
        ],
        action_items=_quotes(moment for moment in moments if moment.kind == "commitment"),
        open_questions=_quotes(_unanswered(timeline, moments)),
        analyser=ANALYSER,
    )


def _overview_size(timeline: Sequence[Utterance]) -> int:
    return max(1, min(_OVERVIEW_UTTERANCES, len(timeline) // _UTTERANCES_EACH))


def _central(timeline: Sequence[Utterance], goal: str | None) -> list[int]:
    """The places of the few utterances that are nearest to all of them, nearest first."""
    said = [frozenset(terms.stems(utterance.text)) for utterance in timeline]
    nearness = _Nearness(said, frozenset(terms.stems(goal or "")))
    ranked = sorted(
        (at for at, utterance in enumerate(timeline) if utterance.text.strip()),
        key=lambda at: (len(said[at]) >= _TELLING_WORDS, nearness(said[at])),
        reverse=True,
    )
    return list(islice(_different(ranked, said), _OVERVIEW_UTTERANCES + _INSIGHT_UTTERANCES))


class _Nearness:
    """Cosine of an utterance and the centroid of all, both weighted by tf-idf; more with words of
    the goal in it.
    """

    def __init__(self, said: Sequence[frozenset[str]], goal: frozenset[str]) -> None:
        self._spread = Counter(stem for stems in said for stem in stems)
        self._rarity = {stem: math.log(1 + len(said) / n) for stem, n in self._spread.items()}
        self._goal = goal & self._spread.keys()

    def __call__(self, stems: frozenset[str]) -> float:
        if not stems:
            return 0.0
        # fsum, because a set's order, and with it a sum's last digit, is another in each process.
        product = math.fsum(self._spread[stem] * self._rarity[stem] ** 2 for stem in stems)
        length = math.sqrt(math.fsum(self._rarity[stem] ** 2 for stem in stems))
        about = len(stems & self._goal) / len(self._goal) if self._goal else 0.0
        return product / length * (1 + about)


def _different(ranked: Iterable[int], said: Sequence[frozenset[str]]) -> Iterator[int]:
    chosen: list[frozenset[str]] = []
    for at in ranked:
        if not any(_overlap(said[at], other) for other in chosen):
            chosen.append(said[at])
            yield at


def _overlap(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= _OVERLAP * min(len(one), len(other))


def _counts(moments: Sequence[Moment]) -> Iterator[str]:
    """Of each kind that there is."""
    for kind in ("question", "objection", "commitment"):
        own = [moment for moment in moments if moment.kind == kind]
        if own:
            number = f"{len(own)} {kind}{'s' if len(own) > 1 else ''}"
            yield f"{number}, the last at {own[-1].t_start:.1f} s: {_quoted(own[-1])}"


def _topics(segmentation: Segmentation) -> Iterator[str]:
    for segment in segmentation.segments[:_TOPICS]:
        if segment.keywords:
            words = ", ".join(segment.keywords)
            yield f"{segment.t_start:.1f} to {segment.t_end:.1f} s, most telling words: {words}"


def _unanswered(timeline: Sequence[Utterance], moments: Iterable[Moment]) -> list[Moment]:
    """Questions after which nobody else said anything but questions. Where all have one name,
    whoever speaks next may be somebody else.
    """
    questions = {moment.utterance_id: moment for moment in moments if moment.kind == "question"}
    alone = len({utterance.speaker for utterance in timeline}) == 1
    answering: set[str] = set()
    found = []
    for utterance in reversed(timeline):
        question = questions.get(utterance.utterance_id)
        if not question:
            answering.add(utterance.speaker)
        elif not answering or (answering == {utterance.speaker} and not alone):
            found.append(question)
    return found[::-1]


def _quotes(moments: Iterable[Moment]) -> list[str]:
    """The last of them, none twice."""
    return list(dict.fromkeys(_quoted(moment) for moment in moments))[-_ITEMS:]


def _quoted(said: Utterance | Moment, *, when: bool = False) -> str:
    text = said.text.strip()
    if len(text) > _CHARACTERS:
        text = text[: _CHARACTERS - 1] + "…"
    at = f" at {said.t_start:.1f} s" if when else ""
    return f"{said.speaker}{at}: “{text}”"
