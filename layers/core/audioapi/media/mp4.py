"""What an MP4 file says of its sound (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

_LONGEST_INDEX = 64 * 1024 * 1024
_HEADER = struct.Struct(">I4s")
_SIZE_BEHIND = 1
"""Of a box whose size has 64 bits, which stand behind its name."""
_VERSION_1 = b"\x01"
_EDITS = 8  # behind the version, and how many there are
_UNUSED = -1
"""The media time of an edit in which nothing plays."""


def presented_seconds(file: bytes | mmap) -> float | None:
    """How much of the first track of sound is to be played, as its edit list says: an encoder's
    padding isn't (§8.6.6). None without an edit list, or if it leaves that open.
    """
    movie = _index(file)
    scale = _timescale(movie)
    track = next((t for t in _boxes(movie, b"trak") if _handler(t) == b"soun"), b"")
    durations = [duration for duration, time in _edits(track) if time != _UNUSED]
    return sum(durations) / scale if scale and durations and all(durations) else None


def _index(file: bytes | mmap) -> bytes:
    """What is in the box that describes the movie, wherever it stands."""
    at = 0
    while at + _HEADER.size <= len(file):
        size, name = _HEADER.unpack_from(file, at)
        if name == b"moov":
            return file[at + _HEADER.size : at + min(size, _LONGEST_INDEX)]
        if size == _SIZE_BEHIND:
            size = int.from_bytes(file[at + _HEADER.size : at + _HEADER.size + 8], "big")
        if size < _HEADER.size:
            break
        at += size
    return b""


def _boxes(content: bytes, wanted: bytes) -> Iterator[bytes]:
    """The contents of the boxes of that name, right below."""
    at = 0
    while at + _HEADER.size <= len(content):
        size, name = _HEADER.unpack_from(content, at)
        if size < _HEADER.size:
            return
        if name == wanted:
            yield content[at + _HEADER.size : at + size]
        at += size


def _first(content: bytes, *path: bytes) -> bytes:
    for name in path:
        content = next(_boxes(content, name), b"")
    return content


def _timescale(movie: bytes) -> int:
    header = _first(movie, b"mvhd")
    at = 20 if header[:1] == _VERSION_1 else 12
    return int.from_bytes(header[at : at + 4], "big")


def _handler(track: bytes) -> bytes:
    return _first(track, b"mdia", b"hdlr")[8:12]


def _edits(track: bytes) -> Iterator[tuple[int, int]]:
    """The duration and the media time of each edit."""
    table = _first(track, b"edts", b"elst")
    entry = struct.Struct(">Qq4x" if table[:1] == _VERSION_1 else ">Ii4x")
    content = table[_EDITS:]
    yield from entry.iter_unpack(content[: len(content) // entry.size * entry.size])
