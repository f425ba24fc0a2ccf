"""Files that come as one, cut into blocks by whoever reads them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi.media.errors import NotAudioError
from audioapi.media.segments import Pcm, whole
from audioapi.media.sniff import Container
from tests import audio

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SAMPLES = audio.pcm(rate=8000, channels=2, seconds=0.05)
WAV = audio.wav(SAMPLES, rate=8000, channels=2)
WAV_KIND = Pcm("s16le", 8000, 2)
FLAC = b"fLaC\x80\x00\x00\x22" + bytes(100)
FRAME = b"\xff\xfb\x90\xc4".ljust(417, b"\x55")
MP3 = FRAME[:21] + b"Info" + bytes(392) + FRAME
TAG = b"ID3\x04\x00\x00\x00\x00\x00\x07a title"


class File:
    """Its kind, what is decoded of it, and what was said against it."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.warnings: list[str] = []
        segment = whole(blocks, warn=lambda text, *_: self.warnings.append(text))
        self.kind, self.data = segment.kind, b"".join(segment.data)


def blocks_of(data: bytes, size: int) -> list[bytes]:
    return [b"", *audio.chunks(data, size), b""]


@given(st.integers(1, 2000))
def test_what_begins_another_file_in_its_middle_is_still_this_one(size: int) -> None:
    """As `split` would think of a block that begins with it."""
    for first, kind in ((MP3, Container.MP3), (FLAC, Container.FLAC)):
        file = File(blocks_of(first + TAG + MP3 + FLAC, size))
        assert (file.kind, file.data) == (kind, first + TAG + MP3 + FLAC)
        assert file.warnings == []


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (WAV, WAV_KIND),
        (FLAC, Container.FLAC),
        (b"\x1a\x45\xdf\xa3" + bytes(8000), Container.MATROSKA),
        (b"OggS\x00" + bytes(8000), Container.OGG),
    ],
)
def test_a_file_that_grows_is_known_by_its_first_bytes(file: bytes, kind: Container | Pcm) -> None:
    """More of it may not come for seconds."""
    read = 0

    def growing() -> Iterator[bytes]:
        nonlocal read
        for byte in file:
            read += 1
            yield bytes([byte])

    assert whole(growing(), warn=print).kind == kind
    assert read <= 64


@given(st.integers(1, 2000))
def test_so_are_samples_that_look_like_one(size: int) -> None:
    samples = SAMPLES + FLAC + WAV
    for file in (
        audio.wav(samples, rate=8000, channels=2),
        header(0xFFFFFFFF) + samples,
        header(0) + samples,
    ):
        found = File(blocks_of(file, size))
        assert (found.kind, found.data, found.warnings) == (WAV_KIND, samples, [])


def header(data_bytes: int) -> bytes:
    """A WAV's, which says that many bytes of samples, whether there are or not."""
    return WAV[:40] + struct.pack("<I", data_bytes)


def test_tags_before_it_are_passed_over() -> None:
    assert File(blocks_of(TAG + TAG + MP3, 100)).data == MP3
    assert File([TAG + FLAC]).kind is Container.FLAC
    assert File([TAG + b"\0" * 100 + MP3]).kind is Container.MP3


def test_what_stands_behind_a_wav_is_told() -> None:
    file = File(blocks_of(WAV + WAV, 100))
    assert file.data == SAMPLES
    assert file.warnings == [
        f"At byte {2 * len(WAV)}: {len(WAV)} bytes behind the end of the WAV were left out"
    ]


def test_so_is_what_a_wav_lacks() -> None:
    assert File([WAV[:-40]]).warnings == [
        "At byte 1604: A WAV ends early: its header promises 1600 bytes of samples, 1560 came"
    ]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", "^It is empty$"),
        (b"%PDF-1.7\n" + bytes(100), "^It is no audio: it starts with a PDF document$"),
        (TAG + b"#EXTM3U\n", "^It is no audio: it starts with an HLS playlist$"),
        (bytes(10000), "^It is no kind of audio that is known here$"),
        (SAMPLES, "^It is no kind of audio that is known here$"),
    ],
)
def test_what_is_no_audio_is_refused(file: bytes, reason: str) -> None:
    for size in (1, 1000, 100_000):
        with pytest.raises(NotAudioError, match=reason):
            File(blocks_of(file, size))
