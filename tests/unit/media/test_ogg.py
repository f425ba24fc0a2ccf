"""What is told of Ogg pages that did not come."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi.media import ogg
from audioapi.media.damage import Promise
from tests import audio

FIRST, LAST = 0x02, 0x04
EARLY = "An Ogg file ends early: its last page did not come"


def page(number: int, flags: int = 0, stream: int = 7, content: bytes = b"content") -> bytes:
    header = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, 0, stream, number, 0, 1)
    return header + bytes([len(content)]) + content


PAGES = [page(0, FIRST), *(page(number) for number in range(1, 9)), page(9, LAST)]


def warnings(data: bytes, size: int = 20) -> list[str]:
    told: list[str] = []
    pages = ogg.checked(audio.chunks(data, size), Promise(), lambda text, *_: told.append(text))
    assert b"".join(pages) == data
    return told


@given(st.integers(1, 400))
def test_nothing_is_said_of_a_whole_file(size: int) -> None:
    assert warnings(b"".join(PAGES), size) == []


def test_nor_of_two_files_or_streams_in_one() -> None:
    first, second = b"".join(PAGES), b"".join([page(0, FIRST, 8), page(1, LAST, 8)])
    assert warnings(first + first + second) == []
    assert warnings(page(0, FIRST) + second + page(1, LAST)) == []


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ([*range(4), *range(7, 10)], ["An Ogg file lacks 3 of its pages"]),
        ([*range(9)], [EARLY]),
        ([0, 1, 5, 6], ["An Ogg file lacks 3 of its pages", EARLY]),
    ],
)
def test_pages_that_did_not_come_are_counted(kept: list[int], told: list[str]) -> None:
    assert warnings(b"".join(PAGES[number] for number in kept)) == told


def test_not_every_stream_is_followed() -> None:
    begun = b"".join(page(0, FIRST, stream) for stream in range(1000))
    pages = ogg._Pages()
    pages.look_at(begun)
    assert len(pages._expected) < 100


def test_half_a_page_is_none() -> None:
    assert warnings(b"".join(PAGES)[:-1]) == [EARLY]


def test_pages_are_found_again_behind_a_hole() -> None:
    """A page that lost some bytes takes those of the next one for its own."""
    short = PAGES[3][:-4]
    whole = b"".join([*PAGES[:3], short, *PAGES[4:]])
    assert warnings(whole) == ["An Ogg file lacks 1 of its pages"]


def data_page(number: int, granule: int, flags: int = 0) -> bytes:
    return page(number, flags)[:6] + struct.pack("<q", granule) + page(number, flags)[14:]


OPUS = b"OpusHead\1\1" + struct.pack("<H", 312) + bytes(7)
VORBIS = b"\x01vorbis" + bytes(5) + struct.pack("<I", 24_000) + bytes(14)
FLAC = b"\x7fFLAC\1\0\0\1fLaC" + bytes(14) + (24_000 << 4).to_bytes(3, "big") + bytes(20)


@pytest.mark.parametrize(
    ("header", "granules", "seconds"),
    [
        (OPUS, [48_000, 96_000, 144_312], 3.0),
        (VORBIS, [24_000, 48_000, 72_000], 3.0),
        (FLAC, [24_000, 48_000, 72_000], 3.0),
        (OPUS, [-1, 96_000, 144_312], 3.0),
        (VORBIS, [240_000_000, 240_024_000, 240_048_000], 2.0),  # joined late
        (b"theora", [1, 2, 3], None),
    ],
)
def test_a_file_that_lacks_pages_tells_how_long_it_was(
    header: bytes, granules: list[int], seconds: float | None
) -> None:
    ends = 0, 0, LAST
    pages = [
        data_page(n, at, flags) for n, (at, flags) in enumerate(zip(granules, ends, strict=True), 1)
    ]
    file = [page(0, FIRST, content=header), *pages]
    promise = Promise()
    assert [*ogg.checked(file, promise, no_warning)] == file
    assert promise == Promise(seconds, binding=False)
    del file[2]
    told: list[float | None] = []
    assert [*ogg.checked(file, promise, lambda _, lost=0.0: told.append(lost))] == file
    assert promise == Promise(seconds, binding=True)
    assert told == [0.0 if seconds else None]


def no_warning(text: str, *_: object) -> None:
    raise AssertionError(text)
