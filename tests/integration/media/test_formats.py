"""Files of every kind, in chunks, through real FFmpeg."""

from __future__ import annotations

import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from audioapi.media import wav
from tests import audio
from tests.integration.media.session import Session

if TYPE_CHECKING:
    from pathlib import Path

OPUS = ("-c:a", "libopus")
MP3 = ("mp3", "-b:a", "64k")
ID3 = b"ID3\x03\x00\x00\x00\x00\x10\x00" + bytes(2048)
ID3V1 = b"TAGa title".ljust(128, b"\x00")


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"])
def test_a_wav_of_any_sample_size_keeps_its_samples(codec: str) -> None:
    original = audio.pcm(rate=44100, channels=2, seconds=0.5)
    file = audio.encoded("wav", "-c:a", codec, channels=2, seconds=0.5)
    session = Session(audio.chunks(file, 1001), channels=2)
    assert session.report.samples == 22050
    tolerance = 256 if codec == "pcm_u8" else 1
    assert max(differences(session.samples, original)) <= tolerance


@pytest.mark.parametrize("codec", ["pcm_alaw", "pcm_mulaw"])
def test_telephone_wavs_sound_the_same(codec: str) -> None:
    original = audio.pcm(rate=8000, channels=1, seconds=0.5)
    session = Session([audio.encoded("wav", "-c:a", codec, rate=8000, seconds=0.5)], rate=8000)
    assert session.report.samples == 4000
    assert max(differences(session.samples, original)) <= 512


def differences(some: bytes, others: bytes) -> list[int]:
    pairs = zip(struct.iter_unpack("<h", some), struct.iter_unpack("<h", others), strict=True)
    return [abs(a - b) for (a,), (b,) in pairs]


@pytest.mark.parametrize("before", [b"", ID3])
@pytest.mark.parametrize("after", [b"", ID3V1])
@pytest.mark.parametrize("bitrate", ["32k", "320k"])
def test_neither_tags_nor_padding_of_an_mp3_are_sound(
    bitrate: str, before: bytes, after: bytes
) -> None:
    bare = audio.encoded("mp3", "-b:a", bitrate, "-id3v2_version", "0")
    session = Session(audio.chunks(before + bare + after, 999), declared="mp3")
    assert session.report.samples == 44100
    assert session.samples == Session([bare]).samples


def test_an_mp3_joined_in_the_middle_is_found_again() -> None:
    whole = audio.encoded(*MP3, seconds=2.0)
    session = Session(audio.chunks(whole[5001:], 1000), declared="mp3")
    assert session.report.samples == pytest.approx(2 * 44100 * (1 - 5001 / len(whole)), abs=4000)


@pytest.mark.parametrize("data_bytes", [4 * 1024**3, 33 * 1024**3])
def test_ffmpeg_reads_our_rf64(real_ffmpeg: Path, data_bytes: int) -> None:
    header = wav.header(sample_rate=44100, channels=2, data_bytes=data_bytes)
    samples = audio.pcm(rate=44100, channels=2, seconds=0.1)
    command = [str(real_ffmpeg), "-v", "info", "-f", "wav", "-i", "pipe:0", "-f", "s16le", "pipe:1"]
    made = subprocess.run(command, input=header + samples, capture_output=True, check=True)
    assert made.stdout == samples
    assert b"44100 Hz" in made.stderr
