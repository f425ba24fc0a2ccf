"""Peaks against a plain loop over the samples."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi.media.waveform import Peaks

RATE = 400  # so that 10 ms, a pixel at first, are 4 samples


def looped(pcm: bytes, *, most: int) -> dict[str, Any]:
    samples = [sample for (sample,) in struct.iter_unpack("<h", pcm[: len(pcm) // 2 * 2])]
    size = 4
    while len(samples) > most * size:
        size *= 2
    data = []
    for at in range(0, len(samples), size):
        data += [min(samples[at : at + size]), max(samples[at : at + size])]
    return {
        "version": 2,
        "channels": 1,
        "sample_rate": RATE,
        "samples_per_pixel": size,
        "bits": 16,
        "length": len(data) // 2,
        "data": data,
    }


def made(blocks: list[bytes], *, most: int) -> Peaks:
    peaks = Peaks(sample_rate=RATE, most_pixels=most)
    for block in blocks:
        peaks.add(block)
    return peaks


@given(st.lists(st.binary(max_size=200)), st.sampled_from([2, 6, 8, 1000]))
def test_they_are_what_a_plain_loop_finds_however_the_blocks_are_cut(
    blocks: list[bytes], most: int
) -> None:
    assert made(blocks, most=most).as_json() == looped(b"".join(blocks), most=most)


@given(st.binary(max_size=999))
def test_single_bytes_give_the_same(pcm: bytes) -> None:
    assert made([bytes([byte]) for byte in pcm], most=6).as_json() == looped(pcm, most=6)


@given(st.lists(st.binary(max_size=200)))
def test_looking_at_them_on_the_way_changes_nothing(blocks: list[bytes]) -> None:
    peaks = Peaks(sample_rate=RATE, most_pixels=8)
    for end, block in enumerate(blocks, start=1):
        peaks.add(block)
        assert peaks.as_json() == looped(b"".join(blocks[:end]), most=8)


@pytest.mark.parametrize("sample", [-32768, 32767, 0])
def test_the_ends_of_the_scale_are_told(sample: int) -> None:
    made_of = struct.pack("<h", sample) * 4
    assert made([made_of], most=2).as_json()["data"] == [sample, sample]


def test_no_sound_has_no_pixels() -> None:
    assert made([], most=2).as_json() == looped(b"", most=2)


def test_a_day_fits_into_the_stated_pixels_and_is_json() -> None:
    peaks = Peaks(sample_rate=16000)
    second = struct.pack("<2h", -1000, 1000) * 8000
    for _ in range(24 * 60):
        peaks.add(second * 60)
    waveform = json.loads(json.dumps(peaks.as_json()))
    assert waveform["samples_per_pixel"] == 160 * 2**8
    assert waveform["length"] == -(-24 * 3600 * 16000 // waveform["samples_per_pixel"]) < 65_536
    assert set(waveform["data"][::2]) == {-1000}
    assert set(waveform["data"][1::2]) == {1000}
