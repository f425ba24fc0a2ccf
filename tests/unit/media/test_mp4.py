"""What an MP4's edit list says of its length."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi.media.mp4 import presented_seconds
from tests.corpus.containers import box, full_box

DATA = box(b"mdat", bytes(100))
LONG_DATA = struct.pack(">I4sQ", 1, b"mdat", 116) + bytes(100)


def edit_list(*edits: tuple[int, int]) -> bytes:
    entries = [struct.pack(">IiI", duration, time, 1 << 16) for duration, time in edits]
    return box(b"edts", full_box(b"elst", struct.pack(">I", len(edits)), *entries))


def long_edit_list(*edits: tuple[int, int]) -> bytes:
    entries = [struct.pack(">QqI", duration, time, 1 << 16) for duration, time in edits]
    head = struct.pack(">I", 1 << 24), struct.pack(">I", len(edits))
    return box(b"edts", box(b"elst", *head, *entries))


def track(edits: bytes, kind: bytes = b"soun") -> bytes:
    handler = full_box(b"hdlr", bytes(4), kind, bytes(13))
    return box(b"trak", full_box(b"tkhd", bytes(80)), edits, box(b"mdia", handler))


def movie(*tracks: bytes, timescale: int = 600) -> bytes:
    header = full_box(b"mvhd", struct.pack(">IIII", 0, 0, timescale, 9999), bytes(80))
    return box(b"moov", header, *tracks)


def file(*parts: bytes) -> bytes:
    return box(b"ftyp", b"M4A ", bytes(4)) + b"".join(parts)


SECOND = edit_list((600, 1024))


@pytest.mark.parametrize(
    ("parts", "seconds"),
    [
        ([movie(track(SECOND)), DATA], 1.0),
        ([DATA, movie(track(SECOND))], 1.0),
        ([LONG_DATA, movie(track(SECOND))], 1.0),
        ([movie(track(edit_list((300, -1), (600, 1024), (150, 90_000))))], 1.25),
        ([movie(track(long_edit_list((300, -1), (600, 1024))))], 1.0),
        (
            [movie(track(edit_list((900, 0)), b"vide"), track(SECOND), track(edit_list((1, 0))))],
            1.0,
        ),
        ([movie(track(edit_list((441, 0))), timescale=44100)], 0.01),
        ([movie(track(b""))], None),
        ([movie(track(edit_list()))], None),
        ([movie(track(edit_list((0, 1024))))], None),
        ([movie(track(edit_list((300, -1))))], None),
        ([movie(track(SECOND), timescale=0)], None),
        ([movie(track(SECOND, b"vide"))], None),
        ([DATA], None),
        ([], None),
    ],
)
def test_it_is_what_is_to_be_played_of_the_first_track_of_sound(
    parts: list[bytes], seconds: float | None
) -> None:
    assert presented_seconds(file(*parts)) == seconds


@given(st.data())
def test_broken_boxes_are_no_length_and_no_crash(data: st.DataObject) -> None:
    whole = bytearray(file(movie(track(SECOND)), DATA))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for broken in (bytes(whole), bytes(whole[:cut])):
        assert presented_seconds(broken) is None or presented_seconds(broken)
