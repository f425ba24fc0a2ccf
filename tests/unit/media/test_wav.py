from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi.media import wav
from audioapi.media.errors import LostSoundError
from tests import audio

if TYPE_CHECKING:
    from collections.abc import Iterator

GIGABYTE = 1024**3


@pytest.mark.parametrize("channels", [1, 2])
def test_a_header_is_what_the_standard_library_writes(channels: int) -> None:
    samples = bytes(400)
    header = wav.header(sample_rate=48000, channels=channels, data_bytes=400)
    assert header + samples == audio.wav(samples, rate=48000, channels=channels)


def test_past_4_gib_a_header_is_rf64() -> None:
    header = wav.header(sample_rate=96000, channels=2, data_bytes=33 * GIGABYTE)
    riff_bytes, data_bytes, frames = struct.unpack_from("<QQQ", header, 20)
    assert (header[:4], header[12:16], len(header)) == (b"RF64", b"ds64", 80)
    assert (riff_bytes, data_bytes, frames) == (
        33 * GIGABYTE + 72,
        33 * GIGABYTE,
        33 * GIGABYTE // 4,
    )


@given(
    rate=st.sampled_from([8000, 44100, 96000]),
    channels=st.integers(1, 2),
    frames=st.integers(1, 2**40),
)
def test_parse_reads_what_header_writes(rate: int, channels: int, frames: int) -> None:
    data_bytes = 2 * channels * frames
    header = wav.header(sample_rate=rate, channels=channels, data_bytes=data_bytes)
    assert wav.parse(header) == wav.WavFormat(
        encoding=wav.PCM,
        sample_rate=rate,
        channels=channels,
        byte_rate=2 * channels * rate,
        frame_bytes=2 * channels,
        data_offset=len(header),
        data_bytes=data_bytes,
        appended_bytes=0,
    )


def riff(*chunks: tuple[bytes, bytes], size: int | None = None) -> bytes:
    body = b"".join(
        struct.pack("<4sI", name, len(content)) + content + bytes(len(content) % 2)
        for name, content in chunks
    )
    return struct.pack("<4sI4s", b"RIFF", 4 + len(body) if size is None else size, b"WAVE") + body


PLAIN = struct.pack("<HHIIHH", wav.PCM, 1, 8000, 16000, 2, 16)


def test_parse_looks_past_other_chunks_and_counts_what_follows_the_samples() -> None:
    file = riff((b"LIST", b"odd"), (b"fmt ", PLAIN), (b"data", bytes(7)), (b"LIST", bytes(10)))
    described = wav.parse(file)
    assert described
    assert (described.data_offset, described.data_bytes) == (12 + 12 + 24 + 8, 7)
    assert described.appended_bytes == 18


def test_parse_sees_through_the_extensible_format() -> None:
    guid = bytes.fromhex("0300000000001000800000aa00389b71")
    extensible = struct.pack("<HHIIHHHHI", 0xFFFE, 2, 48000, 384000, 8, 32, 22, 32, 3) + guid
    described = wav.parse(riff((b"fmt ", extensible), (b"data", bytes(8))))
    assert described
    assert (described.encoding, described.channels, described.frame_bytes) == (
        wav.IEEE_FLOAT,
        2,
        8,
    )


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF - 36, 0xFFFFFFFF])
def test_parse_tells_when_the_writer_did_not_know_the_size(size: int) -> None:
    head = riff((b"fmt ", PLAIN), size=size) + struct.pack("<4sI", b"data", size) + bytes(100)
    described = wav.parse(head)
    assert described
    assert (described.data_bytes, described.appended_bytes) == (None, 0)


@pytest.mark.parametrize("length", range(44))
def test_parse_wants_the_whole_header(length: int) -> None:
    header = wav.header(sample_rate=8000, channels=1, data_bytes=100)
    assert wav.parse(header[:length]) is None


def test_parse_takes_a_short_format_for_none() -> None:
    assert wav.parse(riff((b"fmt ", PLAIN[:10]), (b"data", bytes(8)))) is None


def parts_of(blocks: list[bytes], decoded: int, **size: int) -> Iterator[tuple[int, bytes]]:
    return wav.parts(blocks, sample_rate=8000, channels=1, decoded=lambda: decoded, **size)


@pytest.mark.parametrize("decoded", [799, 801, 56_800])
def test_there_is_no_file_of_more_or_less_than_was_decoded(decoded: int) -> None:
    parts = parts_of([bytes(1600)], decoded, part_bytes=1000)
    assert next(parts)[0] == 2
    told = rf"^{decoded / 8000:.3f} s were decoded, but the file holds 0\.100 s$"
    with pytest.raises(LostSoundError, match=told):
        next(parts)


@given(
    blocks=st.lists(st.integers(1, 50).map(lambda frames: bytes(2 * frames)), max_size=30),
    part_bytes=st.integers(10, 300),
)
def test_parts_put_together_are_one_wav(blocks: list[bytes], part_bytes: int) -> None:
    samples = len(b"".join(blocks)) // 2
    parts = list(parts_of(blocks, samples, part_bytes=part_bytes))
    in_order = [part for _, part in sorted(parts)]
    assert [number for number, _ in sorted(parts)] == list(range(1, len(parts) + 1))
    assert parts[-1][0] == 1
    assert all(len(part) >= part_bytes for part in in_order[:-1])
    assert b"".join(in_order) == audio.wav(b"".join(blocks), rate=8000, channels=1)


def test_a_short_file_is_a_single_part() -> None:
    samples = audio.pcm(rate=8000, channels=1, seconds=0.1)
    [(number, file)] = parts_of([samples], 800)
    assert number == 1
    assert audio.samples_of(file) == samples
