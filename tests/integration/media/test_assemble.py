"""Whole sessions, from chunks as they come to samples."""

from __future__ import annotations

import contextlib
import itertools
import re
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audioapi.media import assemble, wav
from audioapi.media.errors import NotAudioError, TooLongError
from tests import audio
from tests.integration.media.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RATE = 16000
SAMPLES = audio.pcm(rate=RATE, channels=1, seconds=0.2)
WAV = audio.wav(SAMPLES, rate=RATE, channels=1)
MP3 = audio.encoded("mp3", "-b:a", "32k", rate=RATE, seconds=0.5)

# Each example is a run of FFmpeg: few, and not against the clock.
some_runs = settings(max_examples=15, deadline=None)


@st.composite
def cuts(draw: st.DrawFn, data: bytes) -> list[bytes]:
    at = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [data[a:b] for a, b in itertools.pairwise([0, *at, len(data)])]


@some_runs
@given(cuts(WAV))
def test_a_wav_cut_anywhere_keeps_every_sample(chunks: list[bytes]) -> None:
    session = Session(chunks, rate=RATE)
    assert session.samples == SAMPLES
    assert session.report.warnings == []


@some_runs
@given(cuts(MP3))
def test_an_mp3_cut_anywhere_is_the_mp3_decoded_whole(chunks: list[bytes]) -> None:
    session = Session(chunks, rate=RATE, declared="mp3")
    assert session.samples == Session([MP3], rate=RATE).samples
    assert session.report.samples == RATE // 2
    assert session.report.warnings == []


def test_raw_samples_are_taken_as_they_are() -> None:
    stereo = audio.pcm(rate=48000, channels=2, seconds=0.3)
    session = Session(audio.chunks(stereo, 333), rate=48000, channels=2)
    assert session.samples == stereo


def test_half_a_sample_at_the_end_is_left_out_and_told() -> None:
    session = Session([SAMPLES, b"\x01"], rate=RATE)
    assert session.samples == SAMPLES
    assert session.report.warnings == [
        "At byte 6401: The last sample is cut off: 1 of its 2 bytes came"
    ]


def test_a_wav_in_every_chunk_is_one_recording() -> None:
    wavs = [audio.wav(chunk, rate=RATE, channels=1) for chunk in audio.chunks(SAMPLES, 640)]
    session = Session(wavs, rate=RATE)
    assert session.samples == SAMPLES
    assert session.report.segments == len(wavs) == 10


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("source_channels", [1, 2])
def test_everything_comes_out_at_the_sessions_rate_and_channels(
    rate: int, channels: int, source_channels: int
) -> None:
    file = audio.wav_bytes(rate=44100, channels=source_channels, seconds=0.5)
    session = Session(audio.chunks(file, 4096), rate=rate, channels=channels)
    assert session.report.samples == pytest.approx(rate / 2, abs=20)


def test_files_of_all_kinds_make_one_recording() -> None:
    flac = audio.encoded("flac", rate=RATE, seconds=0.5)
    stereo = audio.wav_bytes(rate=44100, channels=2, seconds=0.5)
    session = Session([WAV, MP3, flac, stereo, WAV], rate=RATE)
    assert session.report.segments == 5
    assert session.report.samples == pytest.approx(2 * 3200 + 3 * RATE // 2, abs=50)
    assert session.samples.startswith(SAMPLES)
    assert session.samples.endswith(SAMPLES)
    assert session.report.warnings == []


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        ([], "No audio was received"),
        ([b"", b""], "No audio was received"),
        ([b"\x89PNG\r\n\x1a\n" + bytes(100)], "it starts with a PNG image"),
        ([b"hel", b"lo"], "it starts with text"),
        ([b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"], "it starts with an HLS playlist"),
        ([WAV[:30]], r"WAV at 0\.00 s: "),
        ([WAV[:44]], "its header promises 6400 bytes of samples, 0 came"),
        ([WAV[:40] + bytes(4)], r"Samples at 0\.00 s: There is no sound in it"),
        ([b"fLaC\x00\x00\x00\x22" + bytes(5000)], r"FLAC at 0\.00 s: "),
    ],
)
def test_bytes_that_are_no_audio_are_refused_with_the_reason(
    chunks: list[bytes], reason: str
) -> None:
    with pytest.raises(NotAudioError, match=reason):
        Session(chunks)


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


@pytest.mark.parametrize(
    "playlist", [b"#EXTM3U\n", b"ffconcat version 1.0\nfile 'secret.wav'\n", b"<MPD></MPD>"]
)
@pytest.mark.parametrize("declared", ["wav", "mp3", "flac", "aac"])
def test_a_playlist_behind_a_tag_opens_no_other_file(playlist: bytes, declared: str) -> None:
    tagged = b"ID3\x04\x00\x00\x00\x00\x00\x02hi" + playlist + b"secret.wav\n" * 100
    with pytest.raises(NotAudioError):
        Session([tagged], declared=declared)


def test_damage_in_the_middle_costs_what_is_damaged_and_is_told() -> None:
    whole = audio.encoded("mp3", "-b:a", "64k", rate=RATE, seconds=4.0)
    third = len(whole) // 3
    damaged = whole[:third] + b"\x55" * 3000 + whole[2 * third :]
    session = Session(audio.chunks(damaged, 1000), rate=RATE)
    assert session.report.samples == pytest.approx(4 * RATE * 2 / 3, rel=0.1)
    [warning] = session.report.warnings
    assert re.match(
        r"MP3 from 0\.00 s to 2\.\d\d s: .+; it promises 4\.00 s, 2\.\d\d s came", warning
    )


def test_a_damaged_file_does_not_cost_the_others() -> None:
    broken = b"fLaC\x00\x00\x00\x22" + bytes(5000)
    session = Session([WAV, broken, WAV], rate=RATE)
    assert session.samples == 2 * SAMPLES
    assert [warning.partition(":")[0] for warning in session.report.warnings] == ["FLAC at 0.20 s"]


@pytest.mark.parametrize("container", ["mp3", "flac", "ogg", "webm", "adts"])
def test_a_file_that_breaks_off_gives_what_came(container: str) -> None:
    whole = audio.encoded(container, rate=RATE, seconds=10.0)
    session = Session([whole[: len(whole) // 2]], rate=RATE)
    assert RATE < session.report.samples < 7 * RATE


def test_an_mp4_that_breaks_off_is_refused_with_the_reason() -> None:
    whole = audio.encoded("mp4", rate=RATE, seconds=3.0)
    with pytest.raises(NotAudioError, match=r"MP4 at 0\.00 s: moov atom not found"):
        Session([whole[: len(whole) // 2]])


def test_a_bomb_is_an_error_and_not_a_shorter_file() -> None:
    silence = audio.encoded("flac", "-af", "volume=0,apad=pad_dur=600", rate=8000, seconds=0.1)
    assert len(silence) < 200_000
    with pytest.raises(TooLongError, match="It holds more than 60 s of sound"):
        Session([silence], rate=96000, channels=2, limits=assemble.Limits(audio_seconds=60))


def test_the_limit_is_on_the_session_and_not_on_each_file() -> None:
    limits = assemble.Limits(audio_seconds=0.5)
    assert Session([WAV, WAV], rate=RATE, limits=limits).samples == 2 * SAMPLES
    with pytest.raises(TooLongError):
        Session([WAV, WAV, MP3], rate=RATE, limits=limits)


def test_a_session_that_nobody_waits_for_leaves_no_process() -> None:
    before = set(psutil.Process().children())
    endless = itertools.repeat(bytes(100_000))
    report = assemble.Report()
    pcm = assemble.assemble(endless, declared="wav", sample_rate=RATE, channels=1, report=report)
    with contextlib.closing(pcm):  # type: ignore[type-var]
        assert next(pcm)
    assert set(psutil.Process().children()) == before


def test_an_hour_goes_through_in_constant_memory(tmp_path: Path) -> None:
    def hour() -> Iterator[bytes]:
        second = audio.pcm(rate=RATE, channels=1, seconds=1)
        for _ in range(3600):
            yield from audio.chunks(second, 8000)

    report = assemble.Report()
    pcm = assemble.assemble(hour(), declared="wav", sample_rate=RATE, channels=1, report=report)
    before = psutil.Process().memory_info().rss
    peak, parts = before, 0
    for _, _part in wav.parts(pcm, sample_rate=RATE, channels=1):
        peak = max(peak, psutil.Process().memory_info().rss)
        parts += 1
    assert (report.samples, parts) == (3600 * RATE, 14)
    assert peak - before < 60 * 1024 * 1024
