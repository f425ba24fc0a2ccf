"""Subtitles: SubRip, and WebVTT as https://www.w3.org/TR/webvtt1/ has it.

A cue is two lines of 42 characters at most, 7 s at most, as is the custom of broadcasters.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from audioapi.speech.transcript import Transcript, Word

LINE_CHARACTERS = 42
LONGEST_MS = 7_000
_SHORTEST_MS = 1_000
_SENTENCE_ENDS = (".", "?", "!")


@dataclass(frozen=True)
class Cue:
    """`start` and `end` in milliseconds; the lines have no breaks in them."""

    start: int
    end: int
    lines: tuple[str, ...]


def srt(transcript: Transcript) -> str:
    """Empty if nothing was said."""
    blocks = (
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{_joined(cue.lines)}\n"
        for number, cue in enumerate(cues(transcript), start=1)
    )
    return "\n".join(blocks)


def vtt(transcript: Transcript) -> str:
    blocks = (
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n"
        f"{html.escape(_joined(cue.lines), quote=False)}\n"
        for cue in cues(transcript)
    )
    return "\n".join(("WEBVTT\n", *blocks))


def cues(transcript: Transcript) -> list[Cue]:
    """In order, never two at a time, each with words of one utterance. Only a single word may be
    longer than a line.
    """
    groups = [group for said in transcript.utterances for group in _groups(said.words)]
    placed: list[Cue] = []
    for group, following in pairwise([*groups, ()]):
        behind = placed[-1].end if placed else 0
        start, end = _times(group, following, behind)
        placed.append(Cue(start, end, _lines([_plain(word) for word in group])))
    return placed


def _groups(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """Words that fit a cue. What has to be parted is parted behind the sentence, else at the
    longest pause, in the later half of what would have fitted.
    """
    first = 0
    while first < len(words):
        behind = first + 1
        while behind < len(words) and _fits(words[first : behind + 1]):
            behind += 1
        if behind < len(words):
            behind = _best_break(words, range(first + (behind - first + 1) // 2, behind + 1))
        yield words[first:behind]
        first = behind


def _fits(words: Sequence[Word]) -> bool:
    lines = _lines([_plain(word) for word in words])
    within = all(len(line) <= LINE_CHARACTERS for line in lines)
    return within and _ms(words[-1].end) - _ms(words[0].start) <= LONGEST_MS


def _best_break(words: Sequence[Word], places: range) -> int:
    def worth(place: int) -> tuple[bool, float, int]:
        last, following = words[place - 1], words[place]
        return last.text.endswith(_SENTENCE_ENDS), following.start - last.end, place

    return max(places, key=worth)


def _times(group: Sequence[Word], following: Sequence[Word], behind: int) -> tuple[int, int]:
    """A short cue stays for a second if the next one lets it. Whatever the words' own times are,
    no cue begins before the last one ended, or ends before it began.
    """
    start = max(_ms(group[0].start), behind)
    end = min(max(_ms(group[-1].end), start + _SHORTEST_MS), start + LONGEST_MS)
    if following:
        end = min(end, _ms(following[0].start))
    return start, max(end, start + 1)


def _lines(words: Sequence[str]) -> tuple[str, ...]:
    """One line, or the two whose longer one is shortest."""
    whole = " ".join(words)
    if len(whole) <= LINE_CHARACTERS or len(words) == 1:
        return (whole,)
    pairs = ((" ".join(words[:n]), " ".join(words[n:])) for n in range(1, len(words)))
    return min(pairs, key=lambda pair: max(map(len, pair)))


def _plain(word: Word) -> str:
    return " ".join(word.text.split())


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(lines)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _clock(ms: int, point: str) -> str:
    minutes, rest = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"
