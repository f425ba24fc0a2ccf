"""Pitch, level and pace of sound whose pitch, level and pace are known."""

from __future__ import annotations

import numpy as np
import pytest

from audioapi.analysis.models import Analyser, Prosody
from audioapi.analysis.voice import prosody as module
from audioapi.analysis.voice.prosody import ANALYSER, prosody
from audioapi.speech.transcript import Word
from audioapi.speech.utterances import RATE, Speech

PRAAT = ANALYSER.name == "praat-parselmouth"
"""It has no wheel everywhere: then nothing is said of pitch."""
FULL = 32767


def speech(samples: np.ndarray) -> Speech:
    return Speech(0.0, len(samples) / RATE, samples.round().astype("<i2").tobytes())


def voice(hertz: np.ndarray, *, level: float = 0.5) -> Speech:
    """Ten harmonics of a pitch that may change, one value for each sample, the loudest `level` of
    full scale.
    """
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    sound = sum(np.sin(n * phase) / n for n in range(1, 11))
    return speech(level * FULL * sound / np.abs(sound).max())


def steady(hertz: float, seconds: float = 2.0) -> np.ndarray:
    return np.full(round(seconds * RATE), hertz)


def said(*times: tuple[float, float]) -> list[Word]:
    return [Word("word", start, end, 1.0) for start, end in times]


@pytest.mark.parametrize("hertz", [80.0, 120.0, 210.0, 440.0])
def test_a_steady_voice_has_one_pitch(hertz: float) -> None:
    found = prosody(voice(steady(hertz)), [])
    if not PRAAT:
        assert found.pitch_hz_mean is None
        return
    assert found.pitch_hz_mean == pytest.approx(hertz, rel=0.002)
    assert found.pitch_hz_min == pytest.approx(hertz, rel=0.01)
    assert found.pitch_hz_max == pytest.approx(hertz, rel=0.01)
    assert found.pitch_semitones_sd == pytest.approx(0, abs=0.05)
    assert found.voiced_ratio == pytest.approx(1, abs=0.05)


def test_an_octave_up_is_twelve_semitones() -> None:
    """A steady rise from 100 Hz to 200 Hz: its deviation is that of a uniform distribution."""
    found = prosody(voice(100 * 2 ** np.linspace(0, 1, 4 * RATE)), [])
    if not PRAAT:
        assert found.pitch_semitones_sd is None
        return
    assert found.pitch_hz_min == pytest.approx(100, rel=0.02)
    assert found.pitch_hz_max == pytest.approx(200, rel=0.02)
    assert found.pitch_hz_mean == pytest.approx(100 / np.log(2), rel=0.01)
    assert found.pitch_semitones_sd == pytest.approx(12 / np.sqrt(12), rel=0.03)


def test_half_of_a_voice_is_half_voiced() -> None:
    pcm = voice(steady(150, 1.0)).pcm + bytes(2 * RATE)
    found = prosody(Speech(0.0, 2.0, pcm), [])
    assert found.voiced_ratio == (pytest.approx(0.5, abs=0.05) if PRAAT else None)


def test_noise_has_hardly_a_pitch() -> None:
    found = prosody(speech(np.random.default_rng(1).normal(0, 3000, 2 * RATE)), [])
    assert (found.voiced_ratio or 0) < 0.1
    assert found.intensity_db_mean == pytest.approx(20 * np.log10(3000 / 32768), abs=0.2)


def test_level_is_relative_to_full_scale() -> None:
    tone = np.sin(2 * np.pi * 200 * np.arange(2 * RATE) / RATE)
    found = prosody(speech(FULL * tone), [])
    assert found.intensity_db_mean == pytest.approx(-3.01, abs=0.01)
    assert found.intensity_db_max == pytest.approx(-3.01, abs=0.01)
    tenth_as_loud = prosody(speech(FULL / 10 * tone), [])
    assert tenth_as_loud.intensity_db_mean == pytest.approx(-23.01, abs=0.01)


def test_the_loudest_moment_stands_out() -> None:
    samples = np.full(2 * RATE, 100.0)
    samples[RATE : RATE + RATE // 20] = 10_000.0
    found = prosody(speech(samples), [])
    assert found.intensity_db_max == pytest.approx(20 * np.log10(10_000 / 32768), abs=0.01)
    assert found.intensity_db_mean
    assert found.intensity_db_mean < -20


@pytest.mark.parametrize("size", [0, 2, 1000, 1280, 1400])
def test_a_moment_of_sound_is_measured_as_far_as_it_can_be(size: int) -> None:
    assert prosody(Speech(0.0, 0.1, b"\x10\x00" * (size // 2)), []).pitch_hz_mean is None


def test_of_silence_nothing_is_known() -> None:
    found = prosody(Speech(0.0, 1.0, bytes(2 * RATE)), [])
    assert found.intensity_db_mean is None
    assert found.pitch_hz_mean is None
    assert found.words_per_minute is None


def test_pace_and_pauses_are_those_of_the_words() -> None:
    """Four words in three seconds; 0.2 s is no pause, 0.8 s is one."""
    words = said((1.0, 1.5), (1.5, 2.0), (2.2, 2.7), (3.5, 4.0))
    found = prosody(Speech(0.8, 4.2, bytes(100)), words)
    assert found.words_per_minute == pytest.approx(80)
    assert found.pauses == 1
    assert found.pause_ratio == pytest.approx(1 / 3)


@pytest.mark.parametrize("words", [said(), said((1.0, 1.5)), said((1.0, 1.0), (1.0, 1.0))])
def test_without_words_there_is_no_pace(words: list[Word]) -> None:
    assert prosody(Speech(0.8, 4.2, bytes(100)), words) == Prosody()


def test_without_praat_all_else_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANALYSER", Analyser(name="levels-and-words", version="1"))
    found = prosody(voice(steady(150)), said((0.0, 1.0), (1.0, 2.0)))
    assert found.pitch_hz_mean is None
    assert found.voiced_ratio is None
    assert found.intensity_db_mean
    assert found.words_per_minute == pytest.approx(60)
