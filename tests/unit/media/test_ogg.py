"""What is told of Ogg pages that did not come."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi.media import ogg
from tests import audio

FIRST, LAST = 0x02, 0x04
EARLY = "An Ogg file ends early: its last page did not come"


def page(number: int, flags: int = 0, stream: int = 7, content: bytes = b"content") -> bytes:
    header = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, 0, stream, number, 0, 1)
    return header + bytes([len(content)]) + content


PAGES = [page(0, FIRST), *(page(number) for number in range(1, 9)), page(9, LAST)]


def warnings(data: bytes, size: int = 20) -> list[str]:
    told: list[str] = []
    assert b"".join(ogg.checked(audio.chunks(data, size), told.append)) == data
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
