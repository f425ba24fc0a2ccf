"""Silences of sound that is made so that one knows where they are."""

from __future__ import annotations

import math
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi.media.silence import SilenceMap, Silences

RATE = 16000


def mapped(pcm: bytes, block_bytes: int = 1 << 20) -> SilenceMap:
    silences = Silences(sample_rate=RATE)
    for at in range(0, len(pcm), block_bytes):
        silences.add(pcm[at : at + block_bytes])
    return silences.map()


def packed(samples: list[float]) -> bytes:
    return struct.pack(f"<{len(samples)}h", *map(round, samples))


def noise(seconds: float, *, dbfs: float, offset: float = 0) -> bytes:
    """White noise of that level, the same each time."""
    made, sigma = random.Random(1), 32768 * 10 ** (dbfs / 20)
    return packed([made.gauss(offset, sigma) for _ in range(round(seconds * RATE))])


def speech(seconds: float, *, dbfs: float = -20) -> bytes:
    """A tone stands for it: the level of frames is all that is looked at."""
    peak = 32768 * 10 ** (dbfs / 20) * math.sqrt(2)
    times = (index / RATE for index in range(round(seconds * RATE)))
    return packed([peak * math.sin(2 * math.pi * 300 * at) for at in times])


def silent(seconds: float) -> bytes:
    return bytes(round(seconds * RATE) * 2)


def test_digital_silence_is_one_silence_without_a_floor() -> None:
    assert mapped(silent(2.005)) == SilenceMap(None, -60.0, [(0.0, 2.005)], 2.005)


def test_so_is_an_offset_that_nobody_hears() -> None:
    assert mapped(packed([10000.0] * RATE)) == SilenceMap(None, -60.0, [(0.0, 1.0)], 1.0)


def test_no_sound_is_no_silence() -> None:
    assert mapped(b"") == SilenceMap(None, -60.0, [], 0.0)


@pytest.mark.parametrize("offset", [0, 5000])
@pytest.mark.parametrize("dbfs", [-70, -60, -50, -40])
def test_noise_alone_is_silence_and_its_level_is_told(dbfs: float, offset: float) -> None:
    found = mapped(noise(3, dbfs=dbfs, offset=offset))
    assert found.floor_dbfs == pytest.approx(dbfs, abs=1)
    assert found.silences == [(0.0, 3.0)]


def test_but_not_if_it_is_as_loud_as_speech() -> None:
    found = mapped(noise(3, dbfs=-20))
    assert (found.threshold_dbfs, found.silences) == (-30.0, [])


@pytest.mark.parametrize("dbfs", [-80, -60, -45, -40])
def test_pauses_of_speech_are_found_over_any_noise(dbfs: float) -> None:
    pause = noise(1, dbfs=dbfs)
    found = mapped(pause + speech(2) + pause + speech(1.5) + pause)
    assert found.silences == [(0.0, 1.0), (3.0, 4.0), (5.5, 6.5)]
    assert found.silence_seconds == pytest.approx(3.0)
    assert found.threshold_dbfs == pytest.approx(max(dbfs + 8, -60), abs=1)


def test_muted_stretches_do_not_hide_the_noise_of_others() -> None:
    found = mapped(silent(5) + speech(2) + noise(1, dbfs=-45) + speech(2))
    assert found.silences == [(0.0, 5.0), (7.0, 8.0)]


def test_half_a_second_is_a_silence_and_less_is_none() -> None:
    assert mapped(speech(1) + silent(0.5) + speech(1)).silences == [(1.0, 1.5)]
    assert mapped(speech(1) + silent(0.49) + speech(1)).silences == []


def test_speech_without_a_pause_has_no_silence() -> None:
    assert mapped(speech(5)).silences == []


@given(st.integers(1, 5000))
def test_how_blocks_are_cut_changes_nothing(block_bytes: int) -> None:
    assert mapped(CUT, block_bytes) == mapped(CUT)


CUT = speech(0.2) + noise(0.6, dbfs=-50) + speech(0.2035) + b"\1"
