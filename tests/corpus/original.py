"""What a case of the corpus was before it was encoded, and whether some samples are that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests import audio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.corpus.case import Case, Sound

_LOUDEST_NOISE_DB = -20.0
_SHIFTS = -3, -2, -1, 1, 2, 3


def alike(one: bytes, other: bytes) -> bool:
    """Whether samples are the same but for the last bit. Resamplers round it by what instructions
    a processor has, and by where frames end.
    """
    if len(one) != len(other):
        return False
    first, second = (np.frombuffer(samples, "<i2").astype(int) for samples in (one, other))
    return bool((np.abs(first - second) <= 1).all())


def check(case: Case, samples: bytes) -> None:
    """Asserts that they are the case's sounds and nothing else, neither earlier nor later by a
    sample; `samples` are as a session's.
    """
    frames = np.frombuffer(samples, "<i2").reshape(-1, case.channels).astype(float)
    at = 0
    for sound in case.encoded:
        original = sound.gain * _original(case, sound)
        at += sound.delay
        heard = frames[at : at + len(original)]
        assert len(heard) == len(original) + min(sound.padding, 0)
        exact, *shifted = (_noise_db(heard, original, shift) for shift in (0, *_SHIFTS))
        assert exact < _LOUDEST_NOISE_DB
        assert exact < min(shifted)
        at += len(original) + sound.padding
    assert at == len(frames)


def _original(case: Case, sound: Sound) -> NDArray[np.float64]:
    """At the session's rate, in its channels."""
    pcm = audio.pcm(rate=case.sample_rate, channels=sound.channels, seconds=sound.seconds)
    frames = np.frombuffer(pcm, "<i2").reshape(-1, sound.channels).astype(float)
    return frames if case.channels == sound.channels else frames.mean(axis=1, keepdims=True)


def _noise_db(heard: NDArray[np.float64], original: NDArray[np.float64], shift: int) -> float:
    """How loud the difference is to the sound, if the one is so many samples later than the other,
    without their edges.
    """
    edge = max(_SHIFTS)
    inner = slice(edge, len(heard) - edge)
    difference = heard[inner] - np.roll(original[: len(heard)], shift, axis=0)[inner]
    return float(10 * np.log10(np.mean(difference**2) / np.mean(original**2) + 1e-12))
