"""The pages of an Ogg file (RFC 3533 §6), looked at as they pass: FFmpeg decodes what pages there
are, and says nothing of those that aren't.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from audioapi.media.damage import Promise, Warn

_MAGIC = b"OggS"
_HEADER = struct.Struct("<5xBqII4xB")  # flags, granule position, stream, number, count of segments
_FIRST, _LAST = 0x02, 0x04
_MOST_STREAMS = 64  # of a file that has a stream in every page, the others are not followed
_LONGEST_PAGE_SECONDS = 31  # 255 packets of Opus of 120 ms


def checked(data: Iterable[bytes], promise: Promise, warn: Warn) -> Iterator[bytes]:
    """The same bytes. When they are through, `warn` is told what of the file wasn't among them, and
    the promise is known, which isn't binding if nothing seems to be missing: a stream may begin
    anywhere.
    """
    pages = _Pages()
    for piece in data:
        pages.look_at(piece)
        yield piece
    promise.seconds, promise.binding = pages.seconds, bool(pages.missing)
    if pages.missing:
        warn(f"An Ogg file lacks {pages.missing} of its pages", 0.0 if pages.seconds else None)
    if pages.unfinished:
        warn("An Ogg file ends early: its last page did not come", None)


@dataclass
class _Sound:
    """How far a stream is, by its granule positions: those count samples at `rate` Hz, of which a
    player leaves out the first `skipped`.
    """

    rate: int
    skipped: int = 0
    began: int | None = None
    at: int = 0

    @classmethod
    def of(cls, header: bytes) -> _Sound | None:
        """By a stream's first packet: RFC 7845 §5.1, Vorbis I §4.2.2, RFC 9639 §10.1."""
        if header.startswith(b"OpusHead"):
            return cls(48_000, skipped=int.from_bytes(header[10:12], "little"))
        if header.startswith(b"\x01vorbis"):
            return cls(int.from_bytes(header[12:16], "little"))
        if header.startswith(b"\x7fFLAC"):
            return cls(int.from_bytes(header[27:30], "big") >> 4)
        return None

    @property
    def seconds(self) -> float:
        return max(self.at - (self.began or 0) - self.skipped, 0) / self.rate

    def move(self, granule: int) -> None:
        if granule <= 0:
            return  # of a header, or of a page in which no packet ends
        if self.began is None:  # a stream that is joined late begins anywhere
            self.began = granule if granule > _LONGEST_PAGE_SECONDS * self.rate else 0
        self.at = granule


class _Pages:
    """Follows the numbers of the pages of each stream; 64 KB of a page are in memory at most."""

    def __init__(self) -> None:
        self.missing = 0
        self._rest = b""
        self._expected: dict[int, int] = {}
        self._sounds: dict[int, _Sound] = {}
        self._ended_seconds = 0.0

    @property
    def unfinished(self) -> bool:
        return bool(self._expected)

    @property
    def seconds(self) -> float | None:
        """How much sound all pages were to hold together; None if they don't tell."""
        return self._ended_seconds + sum(sound.seconds for sound in self._sounds.values()) or None

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
        flags, granule, stream, number, count = _HEADER.unpack_from(data, start)
        end: int = table + count + sum(data[table : table + count])
        if len(data) < end:
            return 0
        if flags & _FIRST:
            self._begin(stream, number, data[table + count : end])
        self._count(stream, number, granule)
        if flags & _LAST:
            self._end(stream)
        return end

    def _begin(self, stream: int, number: int, header: bytes) -> None:
        if len(self._expected) < _MOST_STREAMS:
            self._expected[stream] = number
            sound = _Sound.of(header)
            if sound and sound.rate and not self._sounds:  # of several at once, the first is heard
                self._sounds[stream] = sound

    def _count(self, stream: int, number: int, granule: int) -> None:
        if stream not in self._expected:
            return  # its header is damaged, or its first page is
        self.missing += max(number - self._expected[stream], 0)
        self._expected[stream] = number + 1
        if stream in self._sounds:
            self._sounds[stream].move(granule)

    def _end(self, stream: int) -> None:
        self._expected.pop(stream, None)
        if sound := self._sounds.pop(stream, None):
            self._ended_seconds += sound.seconds
