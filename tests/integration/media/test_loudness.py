"""Loudness of the signals that EBU Tech 3341 and 3342 prescribe for testing meters, made here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from audioapi.media.survey import Report, survey
from tests import audio

if TYPE_CHECKING:
    from audioapi.media.loudness import Loudness

RATE = 48000

Tone = tuple[float, float]
"""dBFS of the peak, and seconds."""


def measured(file: bytes) -> Loudness:
    report = Report()
    for _ in survey(audio.chunks(file, 65536), report=report):
        pass
    assert report.warnings == []
    assert report.loudness
    return report.loudness


def tones(*parts: Tone, rate: int = RATE) -> bytes:
    """Stereo, 1 kHz, in phase: a WAV file."""
    levels = np.concatenate([np.full(round(s * rate), 10 ** (db / 20)) for db, s in parts])
    sine = levels * np.sin(2 * np.pi * 1000 * np.arange(levels.size) / rate)
    return wav(np.stack([sine, sine], axis=1), rate=rate)


def wav(samples: np.ndarray, *, rate: int = RATE) -> bytes:
    """Samples of 1.0 at full scale, a column a channel."""
    scaled = np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2")
    return audio.wav(scaled.tobytes(), rate=rate, channels=samples.shape[1])


@pytest.mark.parametrize(
    ("parts", "lufs"),
    [
        ([(-23, 20)], -23),
        ([(-33, 20)], -33),
        ([(-36, 10), (-23, 60), (-36, 10)], -23),
        ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
        ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
    ],
)
def test_integrated_loudness_is_that_of_tech_3341(parts: list[Tone], lufs: float) -> None:
    assert measured(tones(*parts)).integrated_lufs == pytest.approx(lufs, abs=0.11)


def test_surround_channels_weigh_more() -> None:
    """Tech 3341's case 6."""
    levels = [10 ** (db / 20) for db in (-28, -28, -24, -30, -30)]
    sine = np.sin(2 * np.pi * 1000 * np.arange(20 * RATE) / RATE)
    assert measured(wav(np.outer(sine, levels))).integrated_lufs == pytest.approx(-23, abs=0.11)


@pytest.mark.parametrize(
    ("levels", "range_lu"),
    [((-20, -30), 10), ((-20, -15), 5), ((-40, -20), 20), ((-50, -35, -20, -35, -50), 15)],
)
def test_the_loudness_range_is_that_of_tech_3342(
    levels: tuple[float, ...], range_lu: float
) -> None:
    found = measured(tones(*((level, 20) for level in levels)))
    assert found.range_lu == pytest.approx(range_lu, abs=1)


@pytest.mark.parametrize("rate", [8000, 44100, 48000, 96000])
@pytest.mark.parametrize(
    ("divisor", "degrees", "amplitude", "dbtp"),
    [(4, 0, 0.5, -6), (4, 45, 0.5, -6), (6, 60, 0.5, -6), (8, 67.5, 0.5, -6), (4, 45, 1.41, 3)],
)
def test_true_peak_is_that_of_tech_3341_at_any_rate(
    rate: int, divisor: int, degrees: float, amplitude: float, dbtp: float
) -> None:
    """A tone whose samples miss its peaks by up to 3 dB. It's faded in and out, as a tone that
    begins at once has peaks of its own.
    """
    index = np.arange(rate)
    tone = amplitude * np.sin(2 * np.pi * index / divisor + math.radians(degrees))
    fade = np.clip(np.minimum(index, index[::-1]) / (rate / 10), 0, 1)
    peak = measured(wav((tone * fade)[:, None], rate=rate)).true_peak_dbtp
    assert peak is not None
    assert dbtp - 0.4 <= peak <= dbtp + 0.2


def test_a_peak_in_either_channel_counts() -> None:
    quiet, loud = np.full(RATE, 0.1), np.full(RATE, 0.1)
    loud[RATE // 2 - 10 : RATE // 2 + 10] = 0.9
    peaks = {
        measured(wav(np.stack(both, axis=1))).true_peak_dbtp
        for both in ((quiet, loud), (loud, quiet))
    }
    [peak] = peaks
    assert peak is not None
    assert peak > 20 * math.log10(0.9)


def test_silence_has_no_loudness_and_little_sound_only_a_peak() -> None:
    silence = measured(wav(np.zeros((5 * RATE, 2))))
    assert silence == measured(wav(np.zeros((100, 1))))
    assert (silence.integrated_lufs, silence.range_lu, silence.true_peak_dbtp) == (None,) * 3
    short = measured(tones((-6, 0.3)))
    assert (short.integrated_lufs, short.range_lu) == (None, None)
    assert short.true_peak_dbtp == pytest.approx(-6, abs=0.5)
    longer = measured(tones((-20, 1)))
    assert longer.integrated_lufs == pytest.approx(-20, abs=0.11)
    assert longer.range_lu is None


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 37800, 44100, 96000, 192000])
def test_the_rate_does_not_matter(rate: int) -> None:
    assert measured(tones((-23, 5), rate=rate)).integrated_lufs == pytest.approx(-23, abs=0.2)
