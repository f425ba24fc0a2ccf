"""The pages of an Ogg file (RFC 3533 §6), looked at as they pass: FFmpeg decodes what pages there
are, and says nothing of those that aren't.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_MAGIC = b"OggS"
_HEADER = struct.Struct("<5xB8xII4xB")  # flags, stream, number, count of segments
_FIRST, _LAST = 0x02, 0x04
_MOST_STREAMS = 64  # of a file that has a stream in every page, the others are not followed


def checked(data: Iterable[bytes], warn: Callable[[str], None]) -> Iterator[bytes]:
    """The same bytes. When they are through, `warn` is told what of the file wasn't among them."""
    pages = _Pages()
    for piece in data:
        pages.look_at(piece)
        yield piece
    if pages.missing:
        warn(f"An Ogg file lacks {pages.missing} of its pages")
    if pages.unfinished:
        warn("An Ogg file ends early: its last page did not come")


class _Pages:
    """Follows the numbers of the pages of each stream; 64 KB of a page are in memory at most."""

    def __init__(self) -> None:
        self.missing = 0
        self._rest = b""
        self._expected: dict[int, int] = {}

    @property
    def unfinished(self) -> bool:
        return bool(self._expected)

    def look_at(self, piece: bytes) -> None:
        data = self._rest + piece
        end = 0
        while (start := data.find(_MAGIC, end)) >= 0 and (behind := self._page(data, start)):
            end = behind
        # What is left begins a page, or may begin the letters of one.
        self._rest = data[start:] if start >= 0 else data[end:][1 - len(_MAGIC) :]

    def _page(self, data: bytes, start: int) -> int:
        """Where the page ends that starts there; 0 if it isn't whole."""
        table = start + _HEADER.size
        if len(data) < table:
            return 0
        flags, stream, number, count = _HEADER.unpack_from(data, start)
        end: int = table + count + sum(data[table : table + count])
        if len(data) < end:
            return 0
        self._count(flags, stream, number)
        return end

    def _count(self, flags: int, stream: int, number: int) -> None:
        if flags & _FIRST and len(self._expected) < _MOST_STREAMS:
            self._expected[stream] = number
        if stream not in self._expected:
            return  # its header is damaged, or its first page is
        self.missing += max(number - self._expected[stream], 0)
        self._expected[stream] = number + 1
        if flags & _LAST:
            del self._expected[stream]
