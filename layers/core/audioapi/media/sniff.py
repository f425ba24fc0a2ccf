"""What kind of file bytes are, from the first of them: nothing is decoded, nothing is believed."""

from __future__ import annotations

import codecs
from enum import Enum

from audioapi.media import mpeg

HEAD_BYTES = 8192
"""Enough for `sniff` and `not_audio`: two frames of MP3 (1441 bytes at most) or ADTS (8191).
With fewer bytes they say None rather than guess."""

START_BYTES = 64
"""Enough for `starts_file`."""

_BOX_HEADER = 8


class Container(Enum):
    """Kinds of audio file. The value is the name of FFmpeg's demuxer."""

    WAV = "wav"
    W64 = "w64"
    MP3 = "mp3"
    ADTS = "aac"
    FLAC = "flac"
    OGG = "ogg"
    MATROSKA = "matroska"
    MP4 = "mov"
    FMP4 = "mp4"
    """In fragments, each with its own index: the same demuxer by another of its names."""
    AIFF = "aiff"
    CAF = "caf"
    AMR = "amr"


def sniff(head: bytes) -> Container | None:
    """The kind of file that begins with `head`; None if that doesn't tell, as raw samples don't."""
    if tag := mpeg.id3_bytes(head):
        # What follows a tag decides, if it can be seen: FLAC and ADTS files have them too.
        return _by_magic(head[tag:]) or _by_frames(head[tag:]) or Container.MP3
    return _by_magic(head) or _by_frames(head)


def starts_file(head: bytes) -> bool:
    """Whether a file surely begins with `head`, as opposed to the next piece of one.

    Only signs of 32 bits or more count: a day of chunks has enough places for lesser ones to
    turn up by chance. A frame of MP3 or ADTS says nothing; an MP3's tag or Xing frame does.
    """
    kind = _by_magic(head)
    if kind is Container.OGG:
        first_page = 0x02  # RFC 3533 §6
        return bool(int.from_bytes(head[5:6], "little") & first_page)
    return kind is not None or mpeg.id3_bytes(head) > 0 or mpeg.is_xing_frame(head)


_MAGIC = (
    # RFC 9639 §8: a FLAC file's first block is STREAMINFO, of 34 bytes; bit 7 says it is the last.
    (b"fLaC\x00\x00\x00\x22", Container.FLAC),
    (b"fLaC\x80\x00\x00\x22", Container.FLAC),
    (b"OggS\x00", Container.OGG),
    (b"\x1a\x45\xdf\xa3", Container.MATROSKA),
    (b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb", Container.W64),
    (b"caff\x00\x01", Container.CAF),
    (b"#!AMR\n", Container.AMR),
    (b"#!AMR-WB\n", Container.AMR),
)


def _by_magic(head: bytes) -> Container | None:
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return Container.WAV
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return Container.AIFF
    if head[4:8] == b"ftyp":
        return Container.FMP4 if _fragmented(head) else Container.MP4
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)


def _fragmented(head: bytes) -> bool:
    """Whether an MP4's first boxes announce fragments (ISO/IEC 14496-12 §8.8.1)."""
    at = 0
    while (size := int.from_bytes(head[at : at + 4], "big")) >= _BOX_HEADER:
        if head[at + 4 : at + 8] == b"moov":
            return b"mvex" in head[at : at + size]
        at += size
    return False


def _by_frames(head: bytes) -> Container | None:
    if mpeg.mp3_frames(head):
        return Container.MP3
    return Container.ADTS if mpeg.adts_frames(head) else None


_OTHERS = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b\x08", "gzip data"),
    (b"\x7fELF", "an ELF program"),
)
_TEXTS = (
    ("#EXTM3U", "an HLS playlist"),
    ("ffconcat", "an ffconcat playlist"),
    ("<MPD", "a DASH manifest"),
    ("<!doctype html", "an HTML page"),
    ("<html", "an HTML page"),
    ("<?xml", "an XML document"),
)


def not_audio(head: bytes) -> str | None:
    """What `head` is, with its article, if it's well known and no audio; None if it isn't known."""
    for magic, name in _OTHERS:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"WEBP"):
        return "an AVI video" if head[8:12] == b"AVI " else "a WebP image"
    text = _text(head)
    if text is None:
        return None
    start = text.lstrip("\ufeff \t\r\n").lower()
    return next((name for prefix, name in _TEXTS if start.startswith(prefix.lower())), "text")


def _text(head: bytes) -> str | None:
    """`head` as UTF-8 if all of it can be printed; a character cut off at its end may be there."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return None
    printable = all(char.isprintable() or char in "\t\r\n\f\ufeff" for char in text)
    return text if text and printable else None
