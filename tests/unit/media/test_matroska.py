"""How Matroska's head is mended, which a decoder is to go by."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi.media.matroska import with_one_delay
from tests import audio

if TYPE_CHECKING:
    from collections.abc import Iterator

EBML, SEGMENT, INFO, TRACKS, CLUSTER = "1a45dfa3", "18538067", "1549a966", "1654ae6b", "1f43b675"
ENTRY, CODEC, CODEC_PRIVATE, CODEC_DELAY = "ae", "86", "63a2", "56aa"
ENDLESS = bytes.fromhex("01ffffffffffffff")
RIGHT, SHORT = 6_500_000, 2_166_667
"""Nanoseconds: 312 samples at 48 kHz, and 104."""


def element(name: str, *contents: bytes, size: bytes | None = None) -> bytes:
    content = b"".join(contents)
    said = size or (len(content) | 1 << 28).to_bytes(4, "big")
    return bytes.fromhex(name) + said + content


def opus_header(pre_skip: int) -> bytes:
    return b"OpusHead\1\1" + pre_skip.to_bytes(2, "little") + bytes(7)


def opus(delay_ns: int, *, pre_skip: int = 312, size: int = 3) -> bytes:
    return element(
        ENTRY,
        element(CODEC, b"A_OPUS"),
        element(CODEC_DELAY, delay_ns.to_bytes(size, "big")),
        element(CODEC_PRIVATE, opus_header(pre_skip)),
    )


def webm(*tracks: bytes, endless: bool = False) -> bytes:
    head = element(INFO, bytes(20)), element(TRACKS, *tracks), element(CLUSTER, bytes(500))
    return element(EBML, bytes(8)) + element(SEGMENT, *head, size=ENDLESS if endless else None)


def mended(file: bytes, size: int = 1000) -> bytes:
    return b"".join(with_one_delay(audio.chunks(file, size)))


@pytest.mark.parametrize("endless", [False, True])
@given(size=st.integers(1, 200))
def test_the_track_has_the_delay_that_opus_has_however_it_is_cut(endless: bool, size: int) -> None:  # noqa: FBT001
    given_to, wanted = (webm(opus(delay), endless=endless) for delay in (SHORT, RIGHT))
    assert mended(given_to, size) == wanted


def test_every_track_has_its_own() -> None:
    tracks = opus(SHORT), opus(1, pre_skip=3840, size=4)
    assert mended(webm(*tracks)) == webm(opus(RIGHT), opus(80_000_000, pre_skip=3840, size=4))


@pytest.mark.parametrize(
    "file",
    [
        webm(opus(RIGHT)),
        webm(opus(SHORT >> 8, size=2)),  # no room for the right one
        webm(element(ENTRY, element(CODEC_PRIVATE, opus_header(312)))),
        webm(element(ENTRY, element(CODEC_DELAY, b"\1"), element(CODEC_PRIVATE, b"vorbis"))),
        webm(element(ENTRY)),
        webm(),
        element(EBML, bytes(8)),
        b"",
    ],
)
def test_all_others_stay_as_they_are(file: bytes) -> None:
    assert mended(file) == file


def test_what_follows_the_head_is_not_waited_for() -> None:
    def growing() -> Iterator[bytes]:
        yield webm(opus(SHORT))[:-400]
        raise AssertionError("The head was there")

    assert next(with_one_delay(growing())) == webm(opus(RIGHT))[:-400]


def test_a_head_without_end_is_not_kept() -> None:
    endless = itertools.chain([element(EBML, bytes(8))], itertools.repeat(bytes(100_000)))
    assert len(next(with_one_delay(endless))) < 2 * 1024 * 1024


@given(st.data())
def test_a_broken_head_is_as_long_as_before(data: st.DataObject) -> None:
    broken = bytearray(webm(opus(SHORT)))
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = broken[: data.draw(st.integers(0, len(broken)))]
    assert len(mended(bytes(broken))) == len(broken)
    assert len(mended(bytes(cut))) == len(cut)
