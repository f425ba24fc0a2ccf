"""WAV files: their headers, and making one from a stream whose length only its end tells.

RIFF as in Microsoft's "Multiple Channel Audio Data and WAVE Files", RF64 as in EBU Tech 3306.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audioapi.media.errors import LostSoundError
from audioapi.media.pieces import pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PCM = 1
IEEE_FLOAT = 3
A_LAW = 6
MU_LAW = 7
_PLAIN = PCM, IEEE_FLOAT, A_LAW, MU_LAW
_EXTENSIBLE = 0xFFFE
_EXTENSIBLE_BYTES = 40

_UNKNOWN = 0xFFFF_FFFF
_MADE_UP = (range(1), range(0x7FFF_0000, 0x8000_0000), range(0xFFFF_0000, 0x1_0000_0000))
"""Sizes in files that were written to a pipe: nothing, what the writer has room for in an int, as
sox and arecord have it, and as much as fits, less a header or not, as FFmpeg and browsers do."""
_SAMPLE_BYTES = 2
_NAME = re.compile(rb"[ -~]{4}")
_CHUNK = struct.Struct("<4sI")
_FMT = struct.Struct("<4sIHHIIHH")
_DS64 = struct.Struct("<4sIQQQI")

PART_BYTES = 8 * 1024 * 1024
"""10,000 parts, as many as S3 takes, hold 84 GB: a day of 96 kHz stereo is 33 GB."""


@dataclass(frozen=True)
class WavFormat:
    """What a WAV's header says: `encoding` is the format tag, `byte_rate` the bytes of a second,
    `frame_bytes` one sample of every channel, `data_offset` where the samples begin; `data_bytes`
    is None if they go on to the end, as in files written to a pipe. `appended_bytes` counts the
    chunks that follow the samples.
    """

    encoding: int
    sample_rate: int
    channels: int
    byte_rate: int
    frame_bytes: int
    data_offset: int
    data_bytes: int | None
    appended_bytes: int

    def seconds(self, size: int) -> float | None:
        """How much sound is in so many bytes; None if the header can't be right."""
        return size / self.byte_rate if self.byte_rate else None


def header(*, sample_rate: int, channels: int, data_bytes: int) -> bytes:
    """The header of a 16-bit PCM file: 44 bytes, or 80 of RF64 where 32 bits can't say the size."""
    frame_bytes = channels * _SAMPLE_BYTES
    rate = sample_rate * frame_bytes
    fmt = _FMT.pack(b"fmt ", 16, PCM, channels, sample_rate, rate, frame_bytes, 8 * _SAMPLE_BYTES)
    if 36 + data_bytes < _UNKNOWN:
        return (
            struct.pack("<4sI4s", b"RIFF", 36 + data_bytes, b"WAVE")
            + fmt
            + _CHUNK.pack(b"data", data_bytes)
        )
    frames = data_bytes // frame_bytes
    return (
        struct.pack("<4sI4s", b"RF64", _UNKNOWN, b"WAVE")
        + _DS64.pack(b"ds64", 28, 72 + data_bytes, data_bytes, frames, 0)
        + fmt
        + _CHUNK.pack(b"data", _UNKNOWN)
    )


def parse(head: bytes) -> WavFormat | None:
    """The header at the start of `head`; None if it is none, or not whole up to its samples."""
    if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:12] != b"WAVE":
        return None
    fmt = b""
    sizes = _known(int.from_bytes(head[4:8], "little")), 0
    for name, size, offset in _chunks(head):
        if name == b"fmt ":
            fmt = head[offset : offset + size]
        elif name == b"ds64" and len(head) >= offset + 16:
            sizes = struct.unpack_from("<QQ", head, offset)
        elif name == b"data":
            riff_bytes, long_data_bytes = sizes
            return _format(fmt, offset, _known(size) or long_data_bytes, 8 + riff_bytes)
    return None


def chunk_bytes(head: bytes) -> int:
    """The size of the chunk that `head` begins with, header and padding included; 0 if none."""
    if len(head) < _CHUNK.size:
        return 0
    name, size = _CHUNK.unpack_from(head)
    return _CHUNK.size + size + size % 2 if _NAME.fullmatch(name) else 0


def _chunks(head: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's name, size and where its content begins."""
    at = 12
    while at + _CHUNK.size <= len(head):
        name, size = _CHUNK.unpack_from(head, at)
        at += _CHUNK.size
        yield name, size, at
        at += size + size % 2


def _known(size: int) -> int:
    """0 if its writer didn't know it either."""
    return 0 if any(size in sizes for sizes in _MADE_UP) else size


def _format(fmt: bytes, data_offset: int, data_bytes: int, file_bytes: int) -> WavFormat | None:
    if len(fmt) < _FMT.size - _CHUNK.size:
        return None
    tag, channels, sample_rate, byte_rate, frame_bytes = struct.unpack_from("<HHIIH", fmt)
    if tag == _EXTENSIBLE and len(fmt) >= _EXTENSIBLE_BYTES:
        # The subformat's GUID begins with the tag it would have had.
        tag = int.from_bytes(fmt[24:26], "little")
    data_end = data_offset + data_bytes + data_bytes % 2
    appended = max(file_bytes - data_end, 0) if data_bytes else 0
    return WavFormat(
        encoding=tag,
        sample_rate=sample_rate,
        channels=channels,
        # Whoever reads plain samples goes by the others: this field may say anything.
        byte_rate=sample_rate * frame_bytes if tag in _PLAIN else byte_rate,
        frame_bytes=frame_bytes,
        data_offset=data_offset,
        data_bytes=data_bytes or None,
        appended_bytes=appended,
    )


def parts(
    pcm: Iterable[bytes],
    *,
    sample_rate: int,
    channels: int,
    decoded: Callable[[], int],
    part_bytes: int = PART_BYTES,
) -> Iterator[tuple[int, bytes]]:
    """16-bit PCM as the numbered parts of one WAV file, for a multipart upload.

    Part 1 comes last: its header says how long the file is. Parts are `part_bytes` long but for
    the last, and part 1 by its header; two are in memory at a time. S3 takes them in any order.

    Raises LostSoundError instead of part 1, without which there is no file, if they don't hold as
    many samples per channel as were `decoded`.
    """
    first, total, number = b"", 0, 1
    for part in pieces(pcm, part_bytes):
        total += len(part)
        if number == 1:
            first = part
        else:
            yield number, part
        number += 1
    samples = total // (channels * _SAMPLE_BYTES)
    LostSoundError.check("the file holds", samples, decoded=decoded(), sample_rate=sample_rate)
    yield 1, header(sample_rate=sample_rate, channels=channels, data_bytes=total) + first
