"""The headers of MP3 and ADTS frames, and the tags around them.

A frame's header has too few fixed bits to be believed alone: one place in 900 of an MP3 looks like
one. So another of the same kind has to stand where the first one says that its frame ends.
"""

# ruff: noqa: PLR2004 - widths and values of bit fields, which the specifications don't name either

from __future__ import annotations

import operator
from dataclasses import dataclass


def id3_bytes(head: bytes) -> int:
    """The size of the ID3v2 tag that `head` begins with, 0 if there is none (ID3v2.4 §3.1)."""
    tag = head[:10]
    if len(tag) < 10 or tag[:3] != b"ID3" or tag[3] not in (2, 3, 4) or max(tag[6:]) > 0x7F:
        return 0
    size = tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]
    footer = 10 if tag[5] & 0x10 else 0
    return 10 + size + footer


# What doesn't change from frame to frame: version, layer and rate; of ADTS, profile and channels.
_MPEG_FIXED = b"\xff\xfe\x0c\x00"
_ADTS_FIXED = b"\xff\xff\xfd\xf0"


def mp3_frames(head: bytes) -> bool:
    """Whether `head` begins with two frames of MPEG audio, or with one and nothing else."""
    frame = _mpeg_frame(head)
    return frame is not None and _frame_follows(head, frame.size, _MPEG_FIXED)


def adts_frames(head: bytes) -> bool:
    """Whether `head` begins with two frames of AAC in ADTS, or with one and nothing else."""
    return _frame_follows(head, _adts_frame_bytes(head), _ADTS_FIXED)


def lineage(head: bytes) -> bytes | None:
    """Equal for files that one decoder may go on through, such as the pieces that HLS makes of one
    stream, each with a tag of its own; None for those whose encoder's delay has to be cut off.
    """
    if mp3_frames(head):
        mono = bytes([head[3] >> 6 == 3])
        return None if is_xing_frame(head) else _fixed(head, _MPEG_FIXED) + mono
    return _fixed(head, _ADTS_FIXED) if adts_frames(head) else None


def _frame_follows(head: bytes, size: int, fixed: bytes) -> bool:
    """Whether a header with the same `fixed` bits stands at `size`, or `head` ends just there."""
    following = head[size : size + 4]
    if not size or len(following) < 4:
        return 0 < size == len(head)
    return _fixed(head, fixed) == _fixed(following, fixed)


def _fixed(header: bytes, bits: bytes) -> bytes:
    return bytes(map(operator.and_, header, bits))


# ISO/IEC 11172-3 §2.4.2.3 and 13818-3: kbit/s by bitrate index, from 1; Hz by sampling index.
_LAYER_2 = (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_LAYER_3 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_LOW_RATE = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


@dataclass(frozen=True)
class _Frame:
    """A frame of MPEG audio by its header: its bytes, header included; samples per channel; Hz."""

    size: int
    samples: int
    sample_rate: int


def _mpeg_frame(head: bytes) -> _Frame | None:
    """The Layer II or III frame that `head` begins with."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bitrate, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer not in (2, 3) or bitrate in (0, 15) or rate == 3:
        return None
    high = _LAYER_2 if layer == 2 else _LAYER_3
    kilobits = (high if version == 3 else _LOW_RATE)[bitrate - 1]
    samples = 576 if layer == 3 and version != 3 else 1152
    sample_rate = _RATES[version][rate]
    return _Frame(samples * kilobits * 125 // sample_rate + padding, samples, sample_rate)


def _adts_frame_bytes(head: bytes) -> int:
    """The size of the ADTS frame that `head` begins with, header included; 0 if none (14496-3)."""
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return 0
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return size if size > 7 else 0


def is_xing_frame(head: bytes) -> bool:
    """Whether this is what encoders put before an MP3's first frame: LAME's Xing or Info tag."""
    return _xing_offset(head) > 0


def promised_seconds(head: bytes) -> float | None:
    """How much sound an MP3's Xing tag says that there is, less what LAME's part of it calls delay
    and padding; None without one. http://gabriel.mp3-tech.org/mp3infotag.html
    """
    at, frame = _xing_offset(head), _mpeg_frame(head)
    flags = int.from_bytes(head[at + 4 : at + 8], "big")
    frames = int.from_bytes(head[at + 8 : at + 12], "big")
    if not at or not frame or not flags & 1 or not frames:
        return None
    optional = 4, 4, 100, 4  # bytes of: frames, bytes, table of contents, quality
    lame = at + 8 + sum(size for bit, size in enumerate(optional) if flags >> bit & 1)
    cut = int.from_bytes(head[lame + 21 : lame + 24], "big")
    return (frames * frame.samples - (cut >> 12) - (cut & 0xFFF)) / frame.sample_rate


def for_a_pipe(head: bytes) -> bytes:
    """`head`, an MP3's first 64 bytes, such that FFmpeg cuts off the encoder's padding at the end.

    It takes the size that a pipe doesn't have for a huge one, sees that the Xing tag says another,
    and forgets how many frames the tag counts (mp3dec.c, mp3_parse_info_tag; 7.1 and 9.0 alike).
    A tag without a size has nothing to compare.
    """
    at = _xing_offset(head)
    size = slice(at + 12, at + 16)
    if not at or len(head) < size.stop or head[at + 7] & 3 != 3:  # flags: frames and size are there
        return head
    return head[: size.start] + bytes(4) + head[size.stop :]


def _xing_offset(head: bytes) -> int:
    """Where the Xing tag begins in the frame that `head` begins with; 0 if there is none."""
    if not _mpeg_frame(head):
        return 0
    mpeg1, mono = head[1] >> 3 & 3 == 3, head[3] >> 6 == 3
    side_information = (17 if mono else 32) if mpeg1 else (9 if mono else 17)
    offset = 4 + side_information
    return offset if head[offset : offset + 4] in (b"Xing", b"Info") else 0
