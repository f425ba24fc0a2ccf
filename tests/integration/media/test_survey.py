"""Recordings in one pass: the very sound that decoding gives, and what is found out on the way."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from audioapi.media.errors import MediaError, TooLongError
from audioapi.media.ffmpeg import decode
from audioapi.media.segments import whole
from audioapi.media.silence import Silences
from audioapi.media.survey import SAMPLE_RATE, Limits, Report, Source, estimated_seconds, survey
from audioapi.media.waveform import Peaks
from tests import audio
from tests.corpus import HOSTILE, RECORDINGS, Case, containers
from tests.integration.media.hostile import STRICT, leaks, named, secret_recording

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("nothing_is_left")]

OPUS = ("-c:a", "libopus")
FILES = [case for case in RECORDINGS if not case.name.startswith("raw")]


class Surveyed:
    """The samples, and a report that has to agree with them."""

    def __init__(self, blocks: Iterable[bytes], limits: Limits | None = None) -> None:
        self.report = Report()
        self.samples = b"".join(survey(blocks, report=self.report, limits=limits))
        assert self.report.samples * 2 == len(self.samples)
        assert self.report.source
        assert self.report.loudness
        self.source, self.loudness = self.report.source, self.report.loudness


@named(FILES)
def test_the_sound_is_what_decoding_gives_however_blocks_are_cut(case: Case) -> None:
    """A case of several parts is sent as one file: of some kinds all is heard, of some the first
    part alone, and of neither less than its own decoder gives.
    """
    file = b"".join(case.parts())
    segment = whole([file], warn=print)
    decoded = b"".join(decode(segment, sample_rate=SAMPLE_RATE, channels=1))
    assert decoded
    for size in (len(file), 24_000, 999):
        assert Surveyed(audio.chunks(file, size)).samples == decoded


@pytest.mark.parametrize(
    ("container", "options", "name", "codec"),
    [
        ("mp3", (), "mp3", "mp3"),
        ("ipod", (), "mp4", "aac"),
        ("flac", (), "flac", "flac"),
        ("ogg", OPUS, "ogg", "opus"),
        ("webm", OPUS, "matroska", "opus"),
        ("adts", (), "adts", "aac"),
        ("wav", (), "wav", "pcm_s16le"),
        ("wav", ("-c:a", "pcm_s24le"), "wav", "pcm_s24le"),
        ("wav", ("-rf64", "always"), "wav", "pcm_s16le"),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_is_known_and_counted(
    container: str, options: tuple[str, ...], name: str, codec: str, channels: int
) -> None:
    file = audio.encoded(container, *options, rate=48000, channels=channels, seconds=3.0)
    found = Surveyed(audio.chunks(file, 4096))
    # AAC has its encoder's delay and padding in it.
    assert found.report.seconds == pytest.approx(3, abs=0.06 if codec == "aac" else 0.001)
    assert found.report.warnings == []
    assert found.source == Source(
        container=name,
        codec=codec,
        sample_rate=48000,
        channels=channels,
        size_bytes=len(file),
        bit_rate=round(8 * len(file) / found.report.seconds),
    )
    lufs = lufs_unencoded(channels)
    assert found.loudness.integrated_lufs == pytest.approx(lufs, abs=0.5)


@cache
def lufs_unencoded(channels: int) -> float | None:
    wav = Surveyed([audio.wav_bytes(rate=48000, channels=channels, seconds=3.0)])
    return wav.loudness.integrated_lufs


def test_what_is_found_out_can_be_written_as_json() -> None:
    found = Surveyed([audio.wav_bytes(rate=8000, channels=1, seconds=0.1)])
    as_json = json.loads(json.dumps(dataclasses.asdict(found.report)))
    assert as_json["loudness"]["integrated_lufs"] is None
    assert as_json["source"]["container"] == "wav"


def test_loudness_is_measured_before_channels_are_mixed() -> None:
    """Of opposite channels nothing is left in one."""
    left = np.frombuffer(audio.pcm(rate=44100, channels=1, seconds=2), "<i2")
    both = np.stack([left, -left], axis=1).tobytes()
    found = Surveyed([audio.wav(both, rate=44100, channels=2)])
    assert not np.frombuffer(found.samples, "<i2").any()
    assert found.loudness.integrated_lufs is not None
    assert found.loudness.integrated_lufs > -20


def test_a_file_whose_format_changes_is_heard_whole_and_its_loudness_not_told() -> None:
    """A radio stream that was recorded: one Ogg after the other (RFC 3533 §4)."""
    parts = [
        audio.encoded("ogg", "-c:a", "flac", rate=rate, channels=channels, seconds=2.0)
        for rate, channels in ((44100, 1), (48000, 2))
    ]
    found = Surveyed([b"".join(parts)])
    assert found.report.seconds == pytest.approx(4, abs=0.01)
    assert found.loudness.integrated_lufs is None
    assert found.loudness.true_peak_dbtp is not None
    assert found.report.warnings == [
        "Its sample rate or its channels change on the way: its loudness is unknown"
    ]


@pytest.mark.parametrize("rate", [1, 2, 50, 7999, 200_000, 10**6])
def test_rates_that_nobody_records_at_are_measured_unharmed(rate: int) -> None:
    samples = random.Random(rate).randbytes(2 * min(30 * rate, 200_000))
    found = Surveyed([audio.wav(samples, rate=rate, channels=1)])
    assert found.report.seconds == pytest.approx(len(samples) / 2 / rate, rel=0.1)
    assert found.loudness.true_peak_dbtp is not None


@pytest.mark.parametrize("channels", [3, 6, 8, 16])
def test_so_are_many_channels(channels: int) -> None:
    file = audio.wav_bytes(rate=8000, channels=channels, seconds=1)
    found = Surveyed([file])
    assert found.report.samples == SAMPLE_RATE
    assert found.source.channels == channels
    assert found.loudness.integrated_lufs is not None


def test_samples_that_are_no_numbers_are_no_loudness() -> None:
    samples = np.full(48000, np.nan, "<f4").tobytes()
    file = containers.riff(samples, tag=3, rate=48000, bits=32, frame_bytes=4)
    found = Surveyed([file])
    assert found.report.samples == SAMPLE_RATE
    json.dumps(dataclasses.asdict(found.report), allow_nan=False)


@pytest.mark.parametrize(
    ("file", "seconds"),
    [
        (audio.wav_bytes(rate=8000, channels=2, seconds=1), 1.0),
        (audio.encoded("mp3"), 1.0),
        (audio.encoded("flac"), 1.0),
        (audio.encoded("ipod"), None),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
)
def test_how_long_it_will_be_is_told_where_its_beginning_says_it(
    file: bytes, seconds: float | None
) -> None:
    expected = seconds if seconds is None else pytest.approx(seconds, abs=0.01)
    assert estimated_seconds(file[:65536], size_bytes=len(file)) == expected


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return secret_recording(tmp_path_factory.mktemp("private"), rate=16000)


@named(HOSTILE)
def test_of_a_hostile_file_comes_what_is_good_or_a_reason(case: Case, secret: Path) -> None:
    file = b"".join(case.sent(str(secret)))
    try:
        found = Surveyed(audio.chunks(file, 24_000), STRICT)
    except MediaError as error:
        told = str(error)
    else:
        told = " ".join(found.report.warnings)
        assert not leaks(found.samples)
        assert found.report.warnings or case.name in UNDAMAGED
    assert not leaks(told.encode())
    assert "Traceback" not in told
    assert "0x7f" not in told  # no address of FFmpeg's memory


UNDAMAGED = {"wav-no-frame", "wav-huge-frame", "wav-no-bits", "wav-many-bits"}
"""Their samples are all there: only what their headers say of them is wrong."""


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", "^It is empty$"),
        (b"%PDF-1.7\n" + bytes(5000), "^It is no audio: it starts with a PDF document$"),
        (random.Random(2).randbytes(50_000), "^It is no kind of audio that is known here$"),
        (audio.encoded("ipod")[:5000], "moov atom not found"),
        (
            audio.encoded("matroska", "-f", "lavfi", "-i", "color=d=1:s=64x64:r=5", "-map", "1:v")
            + bytes(1),
            "There is no audio track in it",
        ),
    ],
)
def test_a_person_understands_why_it_is_refused(file: bytes, reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        Surveyed([file])


def test_more_sound_than_allowed_is_refused() -> None:
    file = audio.encoded("flac", seconds=2.0)
    assert Surveyed([file], Limits(audio_seconds=2)).report.seconds == 2
    with pytest.raises(TooLongError, match=r"^It holds more than 1\.9 s of sound$"):
        Surveyed([file], Limits(audio_seconds=1.9))


def endless_wav(seconds: float) -> Iterator[bytes]:
    """A WAV of a size that its writer did not know, block by block."""
    second = audio.pcm(rate=8000, channels=1, seconds=1)
    yield containers.streamed(audio.wav(second, rate=8000, channels=1), 0xFFFFFFFF)
    for _ in range(round(seconds) - 1):
        yield second


def test_a_reader_that_goes_away_leaves_no_process() -> None:
    sound = survey(endless_wav(3600), report=Report())
    with contextlib.closing(sound):  # type: ignore[type-var]
        assert next(sound)


def test_what_the_source_raises_is_the_readers() -> None:
    def broken() -> Iterator[bytes]:
        yield from endless_wav(10)
        raise OSError("S3 is gone")

    with pytest.raises(OSError, match="S3 is gone"):
        Surveyed(broken())


def test_an_hour_is_measured_in_constant_memory() -> None:
    report = Report()
    peaks, silences = Peaks(sample_rate=SAMPLE_RATE), Silences(sample_rate=SAMPLE_RATE)
    before = psutil.Process().memory_info().rss
    most = before
    for block in survey(endless_wav(3600), report=report):
        peaks.add(block)
        silences.add(block)
        most = max(most, psutil.Process().memory_info().rss)
    assert report.seconds == 3600
    assert peaks.as_json()["samples_per_pixel"] == 1280
    assert silences.map().silences == []
    assert most - before < 40 * 1024 * 1024
