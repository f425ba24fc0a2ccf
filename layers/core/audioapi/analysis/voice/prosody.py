"""How an utterance was spoken: pitch by Praat, loudness, rate and pauses.

Boersma: Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio
of a sampled sound (IFA Proceedings 17, 1993), by praat-parselmouth. It is under the GPL and has no
wheel for Linux on arm64: where it isn't installed, what is of pitch is absent.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from audioapi.analysis.models import Analyser, Prosody
from audioapi.speech.utterances import RATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from audioapi.speech.transcript import Word
    from audioapi.speech.utterances import Speech


def _analyser() -> Analyser:
    try:
        return Analyser(name="praat-parselmouth", version=version("praat-parselmouth"))
    except PackageNotFoundError:
        return Analyser(name="levels-and-words", version="1.0.0")


ANALYSER = _analyser()
"""Says whether pitch is measured."""

_PRAAT = "praat-parselmouth"
_FULL_SCALE = 32768.0
_WINDOW = RATE // 20

# Hz, between which a voice may be at all; then between which this one is, from its quartiles: else
# some frames of low voices are taken for an octave or two above. Hirst: The analysis by synthesis
# of speech melody (Journal of Speech Sciences 1, 2011).
_LOWEST, _HIGHEST = 60.0, 600.0
_BELOW, _ABOVE = 0.75, 1.5
_STEP_SECONDS = 0.01
_PERIODS = 3  # that Praat's window has to hold

_PAUSE_SECONDS = 0.25
"""Goldman-Eisler, Psycholinguistics (1968): what is shorter belongs to articulation."""


def prosody(speech: Speech, words: Sequence[Word]) -> Prosody:
    """Pitch in Hz over the voiced ones of frames 10 ms apart, searched from 60 to 600 Hz, and again
    from 0.75 of the lower quartile to 1.5 of the upper one: their mean, least, greatest, and the
    standard deviation of 12 log2(Hz); the voiced part of all frames.

    Intensity is 20 log10(RMS / full scale), so a full sine has -3 dB: of the whole, and of the
    loudest 50 ms; absent in digital silence.

    Words per minute from the first one's start to the last one's end, of two words at least; gaps
    of 0.25 s between words are pauses; `pause_ratio` is all gaps' part of that time.
    """
    samples = np.frombuffer(speech.pcm, "<i2").astype(float) / _FULL_SCALE
    return Prosody.model_validate({**_pitch(samples), **_intensity(samples), **_pace(words)})


def _pitch(samples: NDArray[np.float64]) -> dict[str, float]:
    if ANALYSER.name != _PRAAT:
        return {}
    frames = _frames(samples, _LOWEST, _HIGHEST)
    if frames.any():
        lower, upper = np.quantile(frames[frames > 0], (0.25, 0.75))
        frames = _frames(samples, _BELOW * lower, _ABOVE * upper)
    voiced = frames[frames > 0]
    ratio = {"voiced_ratio": len(voiced) / len(frames)} if len(frames) else {}
    if not len(voiced):
        return ratio
    return {
        **ratio,
        "pitch_hz_mean": float(voiced.mean()),
        "pitch_hz_min": float(voiced.min()),
        "pitch_hz_max": float(voiced.max()),
        "pitch_semitones_sd": float(12 * np.log2(voiced).std()),
    }


def _frames(samples: NDArray[np.float64], lowest: float, highest: float) -> NDArray[np.float64]:
    """Hz of each frame, 0 where it is unvoiced."""
    from parselmouth import Sound  # type: ignore[import-not-found]  # noqa: PLC0415  # optional

    if len(samples) < _PERIODS * RATE / lowest + 1:
        return np.zeros(0)
    pitch = Sound(samples, RATE).to_pitch_ac(
        time_step=_STEP_SECONDS, pitch_floor=lowest, pitch_ceiling=highest
    )
    return np.asarray(pitch.selected_array["frequency"], np.float64)


def _intensity(samples: NDArray[np.float64]) -> dict[str, float]:
    whole = len(samples) - len(samples) % _WINDOW
    windows = np.square(samples[:whole]).reshape(-1, _WINDOW).mean(axis=1)
    mean = float(np.square(samples).mean()) if len(samples) else 0.0
    if not mean:
        return {}
    loudest = max(float(windows.max(initial=0.0)), mean)
    return {
        "intensity_db_mean": float(10 * np.log10(mean)),
        "intensity_db_max": float(10 * np.log10(loudest)),
    }


def _pace(words: Sequence[Word]) -> dict[str, float]:
    if len(words) < 2:  # noqa: PLR2004 - of one there is no pace
        return {}
    seconds = words[-1].end - words[0].start
    gaps = [max(behind.start - before.end, 0.0) for before, behind in pairwise(words)]
    if seconds <= 0:
        return {}
    return {
        "words_per_minute": 60 * len(words) / seconds,
        "pauses": sum(gap >= _PAUSE_SECONDS for gap in gaps),
        "pause_ratio": min(sum(gaps) / seconds, 1.0),
    }
