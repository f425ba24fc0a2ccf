"""The head of a Matroska or WebM file (RFC 9559), as it passes by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LONGEST_HEAD = 1024 * 1024
_SEGMENT, _TRACKS, _CLUSTER = 0x18538067, 0x1654AE6B, 0x1F43B675
_ENTRY, _CODEC_PRIVATE, _CODEC_DELAY = 0xAE, 0x63A2, 0x56AA
_OPUS_HEADER = b"OpusHead"
_PRE_SKIP = slice(10, 12)
"""Where Opus' own header has its encoder's delay, in samples at 48 kHz (RFC 7845 §5.1)."""
_SAMPLE_NS = 1e9 / 48_000


def with_one_delay(data: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, but that a track says of its encoder's delay what Opus' own header says.

    FFmpeg 5.1 writes too short a delay of sound that it resamples for Opus: of 16 kHz, a third of
    it. As a reader, FFmpeg goes by the header up to 7.1, by the track in 9.0; then the other two
    thirds, 4 ms, are sound.
    """
    head = b""
    pieces = iter(data)
    for piece in pieces:
        head += piece
        if len(head) > _LONGEST_HEAD or _has_tracks(head):
            break
    yield _mended(head)
    yield from pieces


def _has_tracks(head: bytes) -> bool:
    """Whether its tracks are there, or nothing will be said of them before the sound."""
    return any(
        name == _CLUSTER or (name == _TRACKS and end <= len(head))
        for name, _, end in _elements(head, 0, len(head))
    )


def _mended(head: bytes) -> bytes:
    mended = bytearray(head)
    for track in (span for name, *span in _elements(head, 0, len(head)) if name == _ENTRY):
        fields = {name: span for name, *span in _elements(head, *track)}
        header = head[slice(*fields.get(_CODEC_PRIVATE, (0, 0)))]
        start, end = fields.get(_CODEC_DELAY, (0, 0))
        delay_ns = round(int.from_bytes(header[_PRE_SKIP], "little") * _SAMPLE_NS)
        if header.startswith(_OPUS_HEADER) and delay_ns < 1 << 8 * (end - start):
            mended[start:end] = delay_ns.to_bytes(end - start, "big")
    return bytes(mended)


def _elements(head: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Each element's id, and where its content starts and ends, which may be behind the head: then
    it is the last one. What the segment and its tracks consist of follows them.
    """
    while start < min(end, len(head)):
        name, behind_name = _number(head, start, with_length=True)
        size, content = _number(head, behind_name)
        if not name or content > len(head):
            return
        start = end if size is None else content + size
        yield name, content, start
        if name in (_SEGMENT, _TRACKS):
            yield from _elements(head, content, start)


def _number(head: bytes, at: int, *, with_length: bool = False) -> tuple[int | None, int]:
    """A variable-length integer (RFC 8794 §4), and where it ends. None for a size that is unknown:
    all of its bits are set.
    """
    first = head[at] if at < len(head) else 0
    length = 9 - first.bit_length()
    value = int.from_bytes(head[at : at + length], "big")
    most = (1 << 7 * length) - 1
    if with_length:
        return value, at + length
    return (None if value & most == most else value & most), at + length
