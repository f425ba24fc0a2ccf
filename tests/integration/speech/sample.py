"""The sample of speech, and how far a text is from what it says."""

from __future__ import annotations

import math
from array import array
from functools import cache
from pathlib import Path

from audioapi.speech.utterances import RATE
from tests import audio

SAID = (
    "and mr john dashwood had then leisure to consider how much there might be "
    "prudently in his power to do for them"
)


@cache
def speech() -> bytes:
    """7.1 s, one breath, with a tenth of a second or so of quiet around it."""
    return audio.samples_of(Path("local/samples/speech.wav").read_bytes())


def silence(seconds: float) -> bytes:
    return bytes(2 * round(seconds * RATE))


@cache
def tone(seconds: float, *, volume: int = 8000) -> bytes:
    """440 Hz, which the detector takes for speech."""
    step = 2 * math.pi * 440 / RATE
    return array(
        "h", (round(volume * math.sin(n * step)) for n in range(round(seconds * RATE)))
    ).tobytes()


def word_error_rate(said: str, heard: str) -> float:
    """Words inserted, deleted and replaced, by words said (Levenshtein's distance)."""
    words = heard.split()
    distances = list(range(len(words) + 1))
    for n, right in enumerate(said.split(), start=1):
        above, distances = distances, [n]
        for m, word in enumerate(words, start=1):
            replaced = above[m - 1] + (word != right)
            distances.append(min(above[m] + 1, distances[-1] + 1, replaced))
    return distances[-1] / len(said.split())
