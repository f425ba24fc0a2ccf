"""Whole sessions, from chunks as they come to samples."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

import psutil
import pytest

from audioapi.media import assemble, wav
from audioapi.media.errors import NotAudioError, TooLongError
from tests import audio
from tests.children import children
from tests.integration.media.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RATE = 16000
SAMPLES = audio.pcm(rate=RATE, channels=1, seconds=0.2)
WAV = audio.wav(SAMPLES, rate=RATE, channels=1)
MP3 = audio.encoded("mp3", "-b:a", "32k", rate=RATE, seconds=0.5)


def test_half_a_sample_at_the_end_is_left_out_and_told() -> None:
    session = Session([SAMPLES, b"\x01"], rate=RATE)
    assert session.samples == SAMPLES
    assert session.report.warnings == [
        "At byte 6401: The last sample is cut off: 1 of its 2 bytes came"
    ]


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("source_channels", [1, 2])
def test_everything_comes_out_at_the_sessions_rate_and_channels(
    rate: int, channels: int, source_channels: int
) -> None:
    file = audio.wav_bytes(rate=44100, channels=source_channels, seconds=0.5)
    session = Session(audio.chunks(file, 4096), rate=rate, channels=channels)
    assert session.report.samples == pytest.approx(rate / 2, abs=20)


def test_noise_declared_as_mp3_is_refused() -> None:
    noise = bytes(20000)
    with pytest.raises(
        NotAudioError, match=r"MP3 at 0\.00 s: Failed to find two consecutive MPEG audio frames"
    ):
        Session([noise], declared="mp3")


def test_a_video_without_sound_is_refused_as_such() -> None:
    silent = audio.encoded(
        "matroska", "-f", "lavfi", "-i", "color=d=1:s=64x64:r=5", "-map", "1:v", "-c:v", "mjpeg"
    )
    with pytest.raises(NotAudioError, match=r"MATROSKA at 0\.00 s: There is no audio track in it"):
        Session([silent])


def test_the_limit_is_on_the_session_and_not_on_each_file() -> None:
    limits = assemble.Limits(audio_seconds=0.5)
    assert Session([WAV, WAV], rate=RATE, limits=limits).samples == 2 * SAMPLES
    with pytest.raises(TooLongError):
        Session([WAV, WAV, MP3], rate=RATE, limits=limits)


def test_a_session_that_nobody_waits_for_leaves_no_process() -> None:
    before = children()
    endless = itertools.repeat(bytes(100_000))
    report = assemble.Report()
    pcm = assemble.assemble(endless, declared="wav", sample_rate=RATE, channels=1, report=report)
    with contextlib.closing(pcm):  # type: ignore[type-var]
        assert next(pcm)
    assert children() == before


def test_an_hour_goes_through_in_constant_memory(tmp_path: Path) -> None:
    def hour() -> Iterator[bytes]:
        second = audio.pcm(rate=RATE, channels=1, seconds=1)
        for _ in range(3600):
            yield from audio.chunks(second, 8000)

    report = assemble.Report()
    pcm = assemble.assemble(hour(), declared="wav", sample_rate=RATE, channels=1, report=report)
    file = wav.parts(pcm, sample_rate=RATE, channels=1, decoded=lambda: report.samples)
    before = psutil.Process().memory_info().rss
    peak, parts = before, 0
    for _, _part in file:
        peak = max(peak, psutil.Process().memory_info().rss)
        parts += 1
    assert (report.samples, parts) == (3600 * RATE, 14)
    assert peak - before < 60 * 1024 * 1024
