"""Sound for tests: made on the spot, with its samples known, in whatever format."""

from __future__ import annotations

import io
import subprocess
import tempfile
import wave
from functools import cache
from pathlib import Path

import numpy as np

from local.services import ffmpeg


@cache
def pcm(*, rate: int, channels: int, seconds: float) -> bytes:
    """s16le samples: a rising tone, another in each channel, never the same twice in a second."""
    at = np.arange(round(rate * seconds))[:, np.newaxis] / rate
    frequency = 200 + 100 * np.arange(channels) + 300 * at
    tones = 12000 * np.sin(2 * np.pi * frequency * at)
    return tones.round().astype("<i2").tobytes()


def wav(samples: bytes, *, rate: int, channels: int) -> bytes:
    """The samples as a WAV file, by the standard library."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)
    return buffer.getvalue()


def wav_bytes(*, rate: int, channels: int, seconds: float) -> bytes:
    """A WAV file of `pcm`."""
    return wav(pcm(rate=rate, channels=channels, seconds=seconds), rate=rate, channels=channels)


def write_wav(path: Path, *, rate: int, channels: int, seconds: float) -> Path:
    """Writes `wav_bytes` to the path, and gives it back."""
    path.write_bytes(wav_bytes(rate=rate, channels=channels, seconds=seconds))
    return path


def samples_of(file: bytes) -> bytes:
    """The samples of a 16-bit WAV file, by the standard library."""
    with wave.open(io.BytesIO(file), "rb") as opened:
        return opened.readframes(opened.getnframes())


def chunks(data: bytes, size: int) -> list[bytes]:
    """The data in chunks of `size` bytes, as a client sends them."""
    return [data[start : start + size] for start in range(0, len(data), size)]


@cache
def encoded(
    container: str, *options: str, rate: int = 44100, channels: int = 1, seconds: float = 1.0
) -> bytes:
    """`pcm` in a format of FFmpeg's, by the wheel's: the layer's build has no encoders."""
    source = wav_bytes(rate=rate, channels=channels, seconds=seconds)
    with tempfile.TemporaryDirectory() as folder:
        # A file, not a pipe: only then do MP3 and MP4 get what their writers know at the end.
        made = Path(folder) / "made"
        command = [str(ffmpeg.wheel()), "-v", "error", "-i", "pipe:0", *options]
        subprocess.run([*command, "-f", container, str(made)], input=source, check=True)
        return made.read_bytes()
