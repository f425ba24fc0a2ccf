"""Speech of which is known what is said, when, and how high: made by machines."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audioapi.speech.utterances import RATE
from tests import audio
from tests.integration.speech import sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from audioapi.analysis.models import Prosody

    Samples = NDArray[np.float64]

SENTENCES = (
    "thank you for calling how can i help you today",
    "i have been waiting for my order for three weeks and nobody has told me anything",
    "that sounds really frustrating i am very sorry about the delay",
    "can you tell me when it will finally be delivered",
    "i will send you a new one tomorrow morning and i will refund the shipping costs",
    "that would be great thank you so much for your help",
    "the price is too high for us and we do not have the budget this year",
    "we could offer you a discount of ten percent if you sign before the end of the month",
    "i am not sure that this is the right solution for our company",
    "let me explain how the new version works and what it can do for your team",
    "our current system is slow and it breaks down every other day",
    "what happens to our data if we decide to leave after one year",
    "you can export everything at any time and we delete it within thirty days",
    "could we schedule a meeting with your manager next week to talk about the contract",
    "yes of course i will call you on monday afternoon",
    "he said that the train would arrive at a quarter past nine",
)
VOICES = ("slt", "rms", "awb", "kal16")
_QUIET = 0.003  # of the greatest sample, 50 dB below it: where a sentence has not begun
_GAP_SECONDS = 1.0
_FORMANTS = ((500, 80), (1500, 120), (2500, 160))  # Hz, and how wide: a neutral vowel


@dataclass(frozen=True)
class Said:
    """One sentence in a conversation, in seconds from its start."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Talk:
    """Sentences with a second between each, and their sound."""

    said: Sequence[Said]
    samples: Samples

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE

    def pcm(self, *, hiss_db: float) -> bytes:
        """With noise so far below the speech."""
        level = np.sqrt(np.square(self.samples).mean()) / 10 ** (hiss_db / 20)
        noise = np.random.default_rng(1).normal(0, level, len(self.samples))
        return _pcm(self.samples + noise)


def talk(sentences: Sequence[str], voice: str) -> Talk:
    """By flite, or, without it, the one sentence there is, as often as sentences are asked for."""
    gap = np.zeros(round(_GAP_SECONDS * RATE))
    said, sound, at = list[Said](), [gap], _GAP_SECONDS
    for text, spoken in _spoken(sentences, voice):
        trimmed = _trimmed(spoken)
        seconds = len(trimmed) / RATE
        said.append(Said(text, at, at + seconds))
        sound += [trimmed, gap]
        at += seconds + _GAP_SECONDS
    return Talk(said, np.concatenate(sound))


def beginning(talk: Talk, seconds: float) -> Talk:
    """And a second of silence. Of a sentence that is cut, all counts as said."""
    said = [Said(it.text, it.start, min(it.end, seconds)) for it in talk.said if it.start < seconds]
    silence = np.zeros(round(_GAP_SECONDS * RATE))
    return Talk(said, np.concatenate([talk.samples[: round(seconds * RATE)], silence]))


def again(talk: Talk, times: int) -> Talk:
    return Talk([], np.tile(talk.samples, times))


def _spoken(sentences: Sequence[str], voice: str) -> Iterator[tuple[str, Samples]]:
    if not (flite := shutil.which("flite")):
        yield from [(sample.SAID, _samples(sample.speech()))] * len(sentences)
        return
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.wav"
        for text in sentences:
            subprocess.run([flite, "-voice", voice, "-t", text, "-o", made], check=True)
            yield text, _samples(audio.samples_of(made.read_bytes()))


def _trimmed(spoken: Samples) -> Samples:
    loud = np.flatnonzero(np.abs(spoken) > _QUIET * np.abs(spoken).max())
    return spoken[loud[0] : loud[-1] + 1]


def vowel(hertz: Samples) -> bytes:
    """A voice whose pitch is known, a value for each sample: harmonics of it through a vowel's
    resonances, syllables of a quarter of a second, and hiss 20 dB below it.
    """
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    sound = np.zeros(len(hertz))
    for n in range(1, 40):
        audible = n * hertz < RATE / 2
        sound += np.where(audible, np.sin(n * phase) * _gain(n * hertz) / n, 0)
    sound *= 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(len(hertz)) / RATE)
    sound *= 10_000 / np.abs(sound).max()
    hiss = np.random.default_rng(2).normal(0, np.sqrt(np.square(sound).mean()) / 10, len(sound))
    return _pcm(sound + hiss)


def contours(count: int) -> Iterator[Samples]:
    """Two seconds each, that rise and fall by up to a fifth around 90 to 280 Hz."""
    at = np.linspace(0, 2, 2 * RATE)
    for n in range(count):
        middle = 90 * (280 / 90) ** (n / max(count - 1, 1))
        yield middle * 2 ** (7 / 12 / 2 * np.sin(2 * np.pi * at * (0.5 + n % 3)))


def semitones_off(hertz: Samples, found: Prosody) -> tuple[float, float]:
    """How far the mean is from the true one, and the deviation from its true one."""
    if found.pitch_hz_mean is None or found.pitch_semitones_sd is None:
        raise ValueError("Pitch is not measured: praat-parselmouth isn't installed")
    mean = 12 * np.log2(found.pitch_hz_mean / hertz.mean())
    return abs(float(mean)), abs(found.pitch_semitones_sd - float(12 * np.log2(hertz).std()))


def _gain(hertz: Samples) -> Samples:
    gains = [1 / (1 + ((hertz - middle) / width) ** 2) for middle, width in _FORMANTS]
    return np.asarray(np.sum(gains, axis=0) + 0.05)


def _samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(float)


def _pcm(samples: Samples) -> bytes:
    made: bytes = samples.clip(-32768, 32767).round().astype("<i2").tobytes()
    return made
