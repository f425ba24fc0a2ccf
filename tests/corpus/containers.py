"""Containers by hand: taken apart as clients do, and put together as no encoder would."""

from __future__ import annotations

import re
import struct

# ---- RIFF ----------------------------------------------------------------------------------------


def riff(  # noqa: PLR0913 - each is a field that may lie
    samples: bytes,
    *,
    tag: int = 1,
    channels: int = 1,
    rate: int = 44100,
    frame_bytes: int = 2,
    bits: int = 16,
    data_bytes: int | None = None,
) -> bytes:
    """A WAV that says what it's told to."""
    fmt = struct.pack("<HHIIHH", tag, channels, rate, 88200, frame_bytes, bits)
    said = len(samples) if data_bytes is None else data_bytes
    body = b"WAVE" + chunk(b"fmt ", fmt) + struct.pack("<4sI", b"data", said) + samples
    return chunk(b"RIFF", body)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content


def streamed(wav: bytes, size: int) -> bytes:
    """A plain WAV as one that was written to a pipe: both sizes are made up."""
    made_up = struct.pack("<I", size)
    return wav[:4] + made_up + wav[8:40] + made_up + wav[44:]


# ---- Matroska ------------------------------------------------------------------------------------

CLUSTER = bytes.fromhex("1f43b675")
SIMPLE_BLOCK = b"\xa3"
ENDLESS = bytes.fromhex("01ffffffffffffff")
"""An element's size that isn't known yet, in eight bytes."""


def clusters(webm: bytes) -> list[bytes]:
    """A WebM as MediaRecorder hands it out: what stands before the first cluster goes with it, and
    no cluster says how long it is.
    """
    head, *rest = re.split(re.escape(CLUSTER), webm)
    first, *others = (CLUSTER + ENDLESS + _behind_size(content) for content in rest)
    return [head + first, *others]


def _behind_size(element: bytes) -> bytes:
    """An element's content: the size before it has as many bytes as its first byte says."""
    return element[9 - element[0].bit_length() :]


CODEC_DELAY = bytes.fromhex("56aa83")


def with_delay(webm: bytes, nanoseconds: int) -> bytes:
    """A WebM whose track says another delay of its encoder than it has."""
    at = webm.index(CODEC_DELAY) + len(CODEC_DELAY)
    return webm[:at] + nanoseconds.to_bytes(3, "big") + webm[at + 3 :]


# ---- MP4 -----------------------------------------------------------------------------------------


def box(name: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), name) + content


def full_box(name: bytes, *contents: bytes, flags: int = 0) -> bytes:
    return box(name, struct.pack(">I", flags), *contents)


def boxes(mp4: bytes) -> list[tuple[bytes, bytes]]:
    """The boxes of a file, with their names."""
    found, at = [], 0
    while at < len(mp4):
        size, name = struct.unpack_from(">I4s", mp4, at)
        found.append((name, mp4[at : at + size]))
        at += size
    return found


def fragments(mp4: bytes) -> list[bytes]:
    """A fragmented MP4 as Safari's MediaRecorder hands it out: the first has what all need."""
    parts = [b""]
    for name, content in boxes(mp4):
        if name == b"moof" and b"moof" in parts[-1]:
            parts.append(b"")
        parts[-1] += content
    return parts


def pointing_at(path: bytes) -> bytes:
    """A QuickTime file without samples, whose alias says that they are in another file."""
    absolute_path, end = struct.pack(">HH", 2, len(path)) + path, struct.pack(">HH", 0xFFFF, 0)
    alias = bytes(150) + absolute_path + end
    samples, rate = 22050, 44100
    sound = struct.pack(">6xHHHIHHHHI", 1, 0, 0, 0, 1, 16, 0, 0, rate << 16)
    table = box(
        b"stbl",
        full_box(b"stsd", struct.pack(">I", 1), box(b"sowt", sound)),
        full_box(b"stts", struct.pack(">III", 1, samples, 1)),
        full_box(b"stsc", struct.pack(">IIII", 1, 1, samples, 1)),
        full_box(b"stsz", struct.pack(">II", 2, samples)),
        full_box(b"stco", struct.pack(">II", 1, 44)),
    )
    references = box(b"dinf", full_box(b"dref", struct.pack(">I", 1), full_box(b"alis", alias)))
    media = box(
        b"mdia",
        full_box(b"mdhd", struct.pack(">IIIII", 0, 0, rate, samples, 0)),
        full_box(b"hdlr", b"mhlrsoun", bytes(13)),
        box(b"minf", full_box(b"smhd", bytes(4)), references, table),
    )
    track = box(
        b"trak",
        full_box(b"tkhd", struct.pack(">IIIII", 0, 0, 1, 0, samples), bytes(60), flags=7),
        media,
    )
    movie = full_box(b"mvhd", struct.pack(">IIII", 0, 0, rate, samples), bytes(80))
    return box(b"ftyp", b"qt  ", bytes(4)) + box(b"moov", movie, track)


# ---- Ogg -----------------------------------------------------------------------------------------


def pages(ogg: bytes) -> list[bytes]:
    """The pages of an Ogg file."""
    return [b"OggS" + page for page in ogg.split(b"OggS")[1:]]


# ---- Tags ----------------------------------------------------------------------------------------


def id3(size: int) -> bytes:
    """An ID3v2.4 tag that says that it has so many bytes, without them."""
    return b"ID3\4\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
