"""A long recording in parts, each transcribed by a job of its own."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING

from audioapi.speech.transcript import Transcript, Utterance
from audioapi.speech.utterances import utterances

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from audioapi.speech.recogniser import Recogniser

_FARTHEST_SECONDS = 30.0


def plan(
    duration_seconds: float,
    silences: Sequence[tuple[float, float]],
    part_seconds: float = 120.0,
) -> list[tuple[float, float]]:
    """Start and end of each part, in seconds: as few as `part_seconds` allows, of equal length but
    that each border moves into the middle of the nearest silence within 30 s and a third of a part.
    Together they are the recording, without gap or overlap, and the same at every call.
    """
    count = max(math.ceil(duration_seconds / part_seconds), 1)
    length = duration_seconds / count
    middles = sorted((start + end) / 2 for start, end in silences)
    reach = min(_FARTHEST_SECONDS, length / 3)
    # Of a whole number of milliseconds, a border is between two samples at any usual rate.
    inner = [round(_nearest(middles, length * n, reach), 3) for n in range(1, count)]
    borders = [0.0, *inner, duration_seconds]
    return list(pairwise(borders))


def _nearest(middles: Sequence[float], border: float, reach: float) -> float:
    near = middles[bisect_left(middles, border - reach) : bisect_right(middles, border + reach)]
    return min(near, key=lambda middle: abs(middle - border), default=border)


def transcribe(blocks: Iterable[bytes], *, offset: float, recogniser: Recogniser) -> Transcript:
    """One part: 16 kHz mono s16le in blocks of any size, `offset` seconds into the recording."""
    heard = (
        Utterance(speech.start, speech.end, recogniser.words(speech))
        for speech in utterances(blocks, offset=offset)
    )
    return Transcript(
        utterances=tuple(utterance for utterance in heard if utterance.words),
        recogniser=recogniser.name,
        version=recogniser.version,
        language=recogniser.language,
    )


def merge(parts: Sequence[Transcript]) -> Transcript:
    """The recording's transcript of those of its parts, in order, of which there is one at least.
    The first one's recogniser stands for all.
    """
    first = parts[0]
    together = tuple(utterance for part in parts for utterance in part.utterances)
    return Transcript(together, first.recogniser, first.version, first.language)
