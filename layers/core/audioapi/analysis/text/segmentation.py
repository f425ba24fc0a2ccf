"""What a conversation is about, one thing after another: TextTiling, with pauses.

Hearst: TextTiling, segmenting text into multi-paragraph subtopic passages (Computational
Linguistics 23, 1997). Where the words before a place and behind it are others, and the more so than
around it, something new begins.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import accumulate, pairwise
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, NamedTuple

from audioapi.analysis.models import Analyser, Segment, Segmentation
from audioapi.analysis.text import terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from audioapi.analysis.models import Utterance

ANALYSER = Analyser(name="texttiling", version="1")

# In content words. Hearst took blocks of 120 words of all kinds for written text.
_BLOCK = 60
_SHORTEST = 30

_CUTOFF = 1.0
"""A border is deeper than the mean by so many standard deviations."""

_SHALLOWEST = 0.3
"""However even the rest is: a talk about one thing has no borders."""

_PAUSE_SECONDS = 3.0
_PAUSE_WEIGHT = 0.2

_KEYWORDS = 5
_TITLE_WORDS = 3
_TITLE_CHARACTERS = 60
_CONTEXT_WEIGHT = 3.0


def segmentation(timeline: Sequence[Utterance], *, context: str | None = None) -> Segmentation:
    """Of utterances in any order, in time n log n of them and linear in their words. Words of
    `context` that were said weigh more as keywords.
    """
    ordered = sorted(timeline, key=lambda it: (it.t_start, it.t_end, it.utterance_id))
    words = [terms.words(utterance.text) for utterance in ordered]
    starts = [0, *_borders(ordered, words)] if ordered else []
    spans = [slice(start, end) for start, end in pairwise([*starts, len(ordered)])]
    telling = _keywords([words[span] for span in spans], terms.stems(context or ""))
    return Segmentation(
        segments=[
            _segment(number, ordered[span], keywords)
            for number, (span, keywords) in enumerate(zip(spans, telling, strict=True), start=1)
        ],
        analyser=ANALYSER,
    )


def _segment(number: int, own: Sequence[Utterance], keywords: Sequence[str]) -> Segment:
    return Segment(
        segment_id=f"segment_{number}",
        t_start=own[0].t_start,
        t_end=max(utterance.t_end for utterance in own),
        utterance_ids=[utterance.utterance_id for utterance in own],
        title=", ".join(keywords[:_TITLE_WORDS]) or own[0].text[:_TITLE_CHARACTERS],
        keywords=list(keywords),
    )


class _Border(NamedTuple):
    """In front of which utterance, and of which stem."""

    utterance: int
    place: int
    depth: float
    strength: float


def _borders(ordered: Sequence[Utterance], words: Sequence[Sequence[str]]) -> list[int]:
    """The utterances, other than the first, that begin a segment."""
    stems = [terms.stem(word) for said in words for word in said]
    places = list(accumulate(len(said) for said in words))[:-1]
    gaps = zip(places, _depths(_cohesion(stems, places)), _pauses(ordered), strict=True)
    inner = [
        _Border(utterance, place, depth, depth + _PAUSE_WEIGHT * pause)
        for utterance, (place, depth, pause) in enumerate(gaps, start=1)
        if _SHORTEST <= place <= len(stems) - _SHORTEST
    ]
    if not inner:
        return []
    depths = [border.depth for border in inner]
    cutoff = max(fmean(depths) + _CUTOFF * pstdev(depths), _SHALLOWEST)
    strongest = _apart(border for border in inner if border.depth > cutoff)
    return [border.utterance for border in strongest]


def _apart(borders: Iterable[_Border]) -> Iterator[_Border]:
    """From left to right, the stronger of two that are too near to one another."""
    kept: _Border | None = None
    for border in borders:
        if kept and border.place - kept.place >= _SHORTEST:
            yield kept
            kept = None
        if kept is None or border.strength > kept.strength:
            kept = border
    if kept:
        yield kept


def _pauses(ordered: Sequence[Utterance]) -> list[float]:
    """How long it was quiet behind each utterance but the last: 1 is _PAUSE_SECONDS or more."""
    quiet_from = accumulate((it.t_end for it in ordered), max)
    gaps = (after.t_start - end for end, after in zip(quiet_from, ordered[1:], strict=False))
    return [min(max(gap / _PAUSE_SECONDS, 0.0), 1.0) for gap in gaps]


class _Block:
    """How often each stem is in a block, and the square of that vector's length."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.square = 0

    def change(self, stem: str, by: int) -> None:
        self.square += by * (2 * self.counts[stem] + by)
        self.counts[stem] += by


class _Blocks:
    """The stems in front of a place and behind it, which moves a stem at a time."""

    def __init__(self, stems: Sequence[str]) -> None:
        self._stems = stems
        self._place = 0
        self._before, self._behind, self._product = _Block(), _Block(), 0
        for stem in stems[:_BLOCK]:
            self._behind.change(stem, 1)

    def move(self, place: int) -> None:
        for at in range(self._place, place):
            self._change(self._behind, at, -1)
            self._change(self._behind, at + _BLOCK, 1)
            self._change(self._before, at, 1)
            self._change(self._before, at - _BLOCK, -1)
        self._place = place

    def cosine(self) -> float:
        squares = self._before.square * self._behind.square
        return self._product / math.sqrt(squares) if squares else 0.0

    def _change(self, block: _Block, at: int, by: int) -> None:
        if 0 <= at < len(self._stems):
            other = self._behind if block is self._before else self._before
            self._product += by * other.counts[self._stems[at]]
            block.change(self._stems[at], by)


def _cohesion(stems: Sequence[str], places: Sequence[int]) -> Iterator[float]:
    """How alike it is on both sides of each place, 0 to 1."""
    blocks = _Blocks(stems)
    for place in places:
        blocks.move(place)
        yield blocks.cosine()


def _depths(cohesion: Iterable[float]) -> list[float]:
    """How much lower each is than the peaks to which it rises on both sides."""
    values = list(cohesion)
    left = _peaks(values)
    right = _peaks(values[::-1])[::-1]
    return [a + b - 2 * value for a, b, value in zip(left, right, values, strict=True)]


def _peaks(values: Sequence[float]) -> list[float]:
    """To which each rises on its left."""
    peaks: list[float] = []
    for at, value in enumerate(values):
        peaks.append(peaks[-1] if at and values[at - 1] >= value else value)
    return peaks


def _keywords(
    segments: Sequence[Sequence[Sequence[str]]], context: Iterable[str]
) -> Iterator[list[str]]:
    """Of each segment, by tf-idf among the segments; the first said of equals first."""
    wanted = set(context)
    forms = [_forms(word for said in segment for word in said) for segment in segments]
    spread = Counter(stem for own in forms for stem in own)
    for own in forms:

        def weight(stem: str, own: dict[str, Counter[str]] = own) -> float:
            tf_idf = own[stem].total() * math.log(1 + len(forms) / spread[stem])
            return tf_idf * (_CONTEXT_WEIGHT if stem in wanted else 1.0)

        best = sorted(own, key=weight, reverse=True)[:_KEYWORDS]
        yield [own[stem].most_common(1)[0][0] for stem in best]


def _forms(words: Iterable[str]) -> dict[str, Counter[str]]:
    """How often each form of a stem is said, in the order of their first use."""
    forms: dict[str, Counter[str]] = {}
    for word in words:
        forms.setdefault(terms.stem(word), Counter())[word] += 1
    return forms
