"""What a WAV file says of itself."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")


@dataclass(frozen=True, slots=True)
class WavFormat:
    """`sample_rate` in Hz, `byte_rate` in bytes per second of audio."""

    sample_rate: int
    channels: int
    byte_rate: int


def read_format(file: BinaryIO) -> WavFormat | None:
    """None for what is no WAV file. Leaves the file at its start.

    The `wave` module opens plain PCM only; the parameters of float, extensible and RF64 files stand
    in the same place.
    """
    riff, _, kind = struct.unpack("<4sI4s", file.read(12).ljust(12, b"\0"))
    found = _find_format(file) if riff in (b"RIFF", b"RF64") and kind == b"WAVE" else None
    file.seek(0)
    return found


def _find_format(file: BinaryIO) -> WavFormat | None:
    while len(header := file.read(_CHUNK.size)) == _CHUNK.size:
        name, size = _CHUNK.unpack(header)
        if name == b"fmt " and size >= _FORMAT.size:
            body = file.read(_FORMAT.size).ljust(_FORMAT.size, b"\0")
            _, channels, sample_rate, byte_rate, _, _ = _FORMAT.unpack(body)
            return WavFormat(sample_rate, channels, byte_rate)
        file.seek(size + size % 2, 1)  # chunks are padded to even sizes
    return None
