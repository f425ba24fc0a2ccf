"""Bytes that lie, break off or mean harm. Of a damaged recording as much comes out as can be had,
and what was lost is told; of everything else nothing does, and why is told.
"""

from __future__ import annotations

import io
import struct
import zipfile
from functools import cache
from typing import TYPE_CHECKING

from tests import audio
from tests.corpus import containers, recordings
from tests.corpus.case import SECRET, Case
from tests.corpus.containers import riff
from tests.corpus.recordings import OPUS, one, wav

if TYPE_CHECKING:
    from tests.corpus.recordings import Parts

TONE = audio.pcm(rate=44100, channels=1, seconds=0.5)
TOO_LONG = "It holds more than 60 s of sound"
NO_FRAMES = "Failed to find two consecutive MPEG audio frames"

HLS = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%b\n#EXT-X-ENDLIST\n" % SECRET
FFCONCAT = b"ffconcat version 1.0\nfile '%b'\n" % SECRET
DASH = b"""<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"
 profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>
<AdaptationSet mimeType="audio/wav" contentType="audio"><Representation id="0" bandwidth="1">
<BaseURL>%b</BaseURL><SegmentList duration="1"><SegmentURL media="%b"/></SegmentList>
</Representation></AdaptationSet></Period></MPD>
""" % (SECRET, SECRET)
ALIAS = containers.pointing_at(SECRET)


def playlists() -> list[Case]:
    """Files that make FFmpeg open another one, whatever they are declared to be or hide behind."""
    tag = containers.id3(63) + bytes(63)
    found = []
    for name, playlist, what in (
        ("hls", HLS, "an HLS playlist"),
        ("ffconcat", FFCONCAT, "an ffconcat playlist"),
        ("dash", DASH, "an XML document"),
    ):
        refused = f"^The stream is no audio: it starts with {what}$"
        found += [
            Case(name=f"{name}-as-{kind}", parts=sends(playlist), refused=refused, declared=kind)
            for kind in ("wav", "mp3", "flac", "aac")
        ]
        found += [
            Case(name=f"{name}-behind-a-tag", parts=sends(tag + playlist), refused=refused),
            Case(
                name=f"{name}-behind-a-wav",
                parts=sends(wav(), playlist),
                like=lambda: [wav()],
                seconds=0.5,
                warnings=(f"^At byte .*: {len(playlist)} bytes were left out: {what}$",),
            ),
            Case(
                name=f"{name}-behind-a-zero",
                parts=sends(b"\0" + playlist),
                refused=NO_FRAMES,
                declared="mp3",
            ),
        ]
    return found


def lying_wavs() -> list[Case]:
    """Headers that say what can't be."""
    refused: dict[str, tuple[bytes, str]] = {
        "no-channels": (riff(TONE, channels=0), "channel layout"),
        "65535-channels": (riff(TONE, channels=65535), "Too many channels"),
        "no-rate": (riff(TONE, rate=0), "Invalid sample rate"),
        "rate-too-high": (riff(TONE, rate=0xFFFFFFFF), "Invalid sample rate"),
        "rate-much-too-high": (riff(TONE, rate=0x7FFFFFFF), r"Samples at 0\.00 s"),
        "one-sample-a-second": (riff(TONE, rate=1), TOO_LONG),
        "unknown-codec": (riff(TONE, tag=0x1234), "no decoder found"),
        "another-codec": (riff(TONE, tag=0x55), "Header missing"),
        "no-format": (b"RIFF\xff\xff\xff\xffWAVE" + containers.chunk(b"data", TONE), "fmt"),
        "only-the-beginning": (wav()[:12], "fmt"),
        "half-a-header": (wav()[:30], r"^WAV at 0\.00 s: "),
        "only-the-header": (wav()[:44], "its header promises 44100 bytes of samples, 0 came"),
        "empty": (riff(b""), r"^Samples at 0\.00 s: There is no sound in it"),
        "endless-header": (b"RIFF\xff\xff\xff\xffWAVE" + b"LIST\0\0\0\0" * 200_000, "LIST"),
        "endless-format": (
            b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff" + riff(TONE)[20:],
            "Invalid data",
        ),
    }
    taken = {
        "no-frame": riff(TONE, frame_bytes=0),
        "huge-frame": riff(TONE, frame_bytes=65535),
        "no-bits": riff(TONE, bits=0),
        "many-bits": riff(TONE, bits=65535),
    }
    return [
        *(
            Case(name=f"wav-{name}", parts=sends(file), refused=reason)
            for name, (file, reason) in refused.items()
        ),
        *(
            Case(name=f"wav-{name}", parts=sends(file), like=lambda: [wav()], seconds=0.5)
            for name, file in taken.items()
        ),
        Case(
            name="wav-promises-more",
            parts=sends(riff(TONE, data_bytes=10**9)),
            like=lambda: [wav()],
            seconds=0.5,
            warnings=(r"^At byte 44144: .* promises 1000000000 bytes of samples, 44100 came$",),
            lost_seconds=(10**9 - 44100) / 88200,
        ),
        Case(
            name="wav-holds-more",
            parts=sends(riff(TONE, data_bytes=22050)),
            like=lambda: [wav()[:40] + struct.pack("<I", 22050) + TONE[:22050]],
            seconds=0.25,
            warnings=("^At byte 44144: 22050 bytes were left out",),
        ),
    ]


def damaged_recordings() -> list[Case]:
    """Recordings that break off, or have a hole: neither goes unnoticed."""
    # Of the last two nothing says how long they were; of AAC, that a frame is missing.
    halves = {
        "wav": (one("wav"), 0.5, 0.5, "^At byte .*: A WAV ends early"),
        "mp3": (recordings.MP3, 0.5, 0.5, r"it promises 1\.00 s, 0\.50 s came$"),
        "flac": (recordings.FLAC, 0.2, 0.8, r"it promises 1\.00 s, 0\.[12]. s came$"),
        "adts": (recordings.ADTS, 0.5, 0.0232, r"^ADTS from 0\.00 s to 0\.49 s: Input buffer exh"),
        # Its demuxer and its decoder are threads, since FFmpeg 7: either is the first to complain.
        "fmp4": (one("mp4", *recordings.FRAGMENTED), 0.5, 0.0232, "partial file|Input buffer exh"),
        "ogg": (recordings.OGG, 0.5, None, "^At byte .*: An Ogg file ends early"),
        "webm": (one("webm", *OPUS), 0.5, None, "ended prematurely"),
    }
    return [
        *(
            Case(
                name=f"{name}-breaks-off",
                parts=half_of(whole),
                seconds=seconds,
                within=0.12,
                warnings=(warning,),
                lost_seconds=lost_seconds,
            )
            for name, (whole, seconds, lost_seconds, warning) in halves.items()
        ),
        Case(
            name="m4a-breaks-off",
            parts=lambda: [recordings.M4A()[0][:5000]],
            refused=r"^MP4 at 0\.00 s: moov atom not found$",
        ),
        Case(
            name="mp3-with-a-hole",
            parts=lambda: [blotted(recordings.MP3()[0], 3000, 5000)],
            seconds=0.75,
            within=0.1,
            warnings=(r"Header missing; it promises 1\.00 s, 0\.7. s came$",),
            lost_seconds=0.25,
        ),
        Case(
            name="ogg-with-a-broken-page",
            parts=lambda: [blotted(recordings.OGG()[0], 4000, 4010)],
            seconds=0.9,
            within=0.1,
            warnings=("CRC mismatch",),
            lost_seconds=0.1,
        ),
        Case(
            name="ogg-without-a-page",
            parts=lambda: [page for at, page in enumerate(pages()) if at != len(pages()) // 2],
            seconds=0.9,
            within=0.1,
            warnings=(
                "^At byte .*: An Ogg file lacks 1 of its pages$",
                r"^OGG from 0\.00 s to 0\.90 s: it promises 1\.00 s, 0\.90 s came$",
            ),
            lost_seconds=0.1,
        ),
        Case(
            name="a-broken-file-among-good-ones",
            parts=lambda: [wav(), b"fLaC\0\0\0\x22" + bytes(5000), wav()],
            like=lambda: [wav(), wav()],
            seconds=1.0,
            warnings=(r"^FLAC at 0\.50 s: ",),
            lost_seconds=None,
        ),
    ]


def half_of(parts: Parts) -> Parts:
    return lambda: [parts()[0][: len(parts()[0]) // 2]]


def blotted(file: bytes, start: int, end: int) -> bytes:
    return file[:start] + bytes(end - start) + file[end:]


def pages() -> list[bytes]:
    return containers.pages(recordings.OGG()[0])


LONGEST = bytes.fromhex("01fffffffffffffe")
"""The size of a Matroska element that is longer than anything can be."""


def webm() -> bytes:
    return one("webm", *OPUS, "-live", "1", "-cluster_time_limit", "200")()[0]


def with_a_longest(element: bytes) -> list[bytes]:
    """A WebM whose first such element in its second half is as long as can be said."""
    whole = webm()
    middle = whole.index(containers.CLUSTER, len(whole) // 2)
    size = whole.index(element, middle) + len(element)
    return [whole[:size] + LONGEST + whole[size + 2 :]]


OVERFLOWING = [
    Case(
        name="matroska-endless-header",
        parts=lambda: [webm()[:4] + LONGEST + bytes(1000)],
        refused=r"^MATROSKA at 0\.00 s: ",
    ),
    Case(
        name="matroska-header-without-a-size",
        parts=lambda: [webm()[:4] + b"\0" + LONGEST[1:] + bytes(1000)],
        refused=r"^MATROSKA at 0\.00 s: ",
    ),
    Case(
        name="matroska-endless-cluster",
        parts=lambda: with_a_longest(containers.CLUSTER),
        seconds=1.0,
        within=0.2,
        warnings=(r"^MATROSKA from 0\.00 s to ",),
        lost_seconds=None,
    ),
    Case(
        name="matroska-endless-block",
        parts=lambda: with_a_longest(containers.SIMPLE_BLOCK),
        seconds=0.8,
        within=0.2,
        warnings=(r"^MATROSKA from 0\.00 s to .* exceeds",),
        lost_seconds=None,
    ),
]


@cache
def silence(hours: int) -> bytes:
    """FLAC of nothing: a few bytes for eight seconds of it."""
    source = ("-f", "lavfi", "-i", f"anullsrc=r=8000:cl=mono:d={hours * 3600}", "-map", "1:a")
    return audio.encoded("flac", *source, "-frame_size", "65535", seconds=0.1)


@cache
def archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr(zipfile.ZipInfo("tone.wav"), wav())
    return packed.getvalue()


def sends(*parts: bytes) -> Parts:
    return lambda: list(parts)


def no_audio(name: str, what: str, file: bytes) -> Case:
    refused = f"^The stream is no audio: it starts with {what}$"
    return Case(name=name, parts=sends(file), refused=refused, declared="mp3")


HOSTILE = [
    *playlists(),
    Case(
        name="mov-with-its-sound-elsewhere",
        parts=sends(ALIAS),
        refused=r"^MP4 at 0\.00 s: There is no sound in it",
    ),
    Case(name="flac-bomb", parts=lambda: [silence(3)], refused=TOO_LONG),
    *lying_wavs(),
    *damaged_recordings(),
    *OVERFLOWING,
    Case(
        name="mp3-behind-an-endless-tag",
        parts=lambda: [containers.id3((1 << 28) - 1) + recordings.MP3()[0]],
        refused=NO_FRAMES,
    ),
    Case(name="tag-alone", parts=sends(containers.id3(5) + b"hello"), refused=NO_FRAMES),
    Case(
        name="flac-crumbs",
        parts=sends(*[b"fLaC\0\0\0\x22" + bytes(34)] * 50),
        refused=r"^FLAC at 0\.00 s: ",
    ),
    no_audio("png", "a PNG image", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(100)),
    no_audio("text", "text", "Liebe Grüße, und kein Ton.\n".encode() * 50),
    no_audio("page", "an HTML page", b"<!DOCTYPE html><title>404 Not Found</title>"),
    no_audio("zip", "a ZIP archive", archive()),
    no_audio("program", "an ELF program", b"\x7fELF\2\1\1" + bytes(1000)),
    Case(name="nothing", parts=sends(), refused="^No audio was received$"),
    Case(name="no-bytes", parts=sends(b"", b""), refused="^No audio was received$"),
    Case(name="one-byte", parts=sends(b"\1"), refused="The last sample is cut off: 1 of its 2"),
]
