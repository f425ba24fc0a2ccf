"""Recordings in every container that clients send, as they send them."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from tests import audio
from tests.corpus import containers
from tests.corpus.case import Case, Sound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Parts = Callable[[], Sequence[bytes]]

LOSSY = 0.06
"""Seconds of an encoder's delay and padding, in containers that don't tell them from sound."""

OPUS = ("-c:a", "libopus")
FRAGMENTED = ("-movflags", "frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "200000")
XING = ("-write_xing", "1", "-id3v2_version", "0")
BARE = ("-write_xing", "0", "-id3v2_version", "0")


def one(container: str, *options: str, rate: int = 44100, channels: int = 1) -> Parts:
    """A file by FFmpeg, one second long."""
    return lambda: [_made(container, *options, rate=rate, channels=channels)]


def again(*others: Parts) -> Parts:
    """What several recordings send, one after the other."""
    return lambda: [part for parts in others for part in parts()]


@cache
def _made(container: str, *options: str, **sound: int) -> bytes:
    # Without bitexact, files have random numbers and the encoder's version in them.
    exact = ("-fflags", "+bitexact", "-flags", "+bitexact")
    return audio.encoded(container, *exact, *options, **sound)


def wav(*, rate: int = 44100, channels: int = 1, seconds: float = 0.5) -> bytes:
    return audio.wav_bytes(rate=rate, channels=channels, seconds=seconds)


def little_wavs() -> list[bytes]:
    pieces = audio.chunks(audio.pcm(rate=44100, channels=1, seconds=0.5), 4410)
    return [audio.wav(piece, rate=44100, channels=1) for piece in pieces]


def recorder() -> list[bytes]:
    """What MediaRecorder hands out of WebM, with a timeslice."""
    [webm] = one("webm", *OPUS, "-live", "1", "-cluster_time_limit", "200", rate=48000)()
    return containers.clusters(webm)


def safari() -> list[bytes]:
    """What MediaRecorder hands out of MP4."""
    [mp4] = one("mp4", *FRAGMENTED)()
    return containers.fragments(mp4)


def tagged(parts: Parts, size: int) -> Parts:
    """The recording behind an ID3 tag, as one with a picture in it."""
    return lambda: [containers.id3(size) + bytes(size) + parts()[0], *parts()[1:]]


def hls(parts: Parts, frame: bytes) -> Parts:
    """A stream in pieces of ten frames, each with a tag of its own (RFC 8216 §3.4). `frame` is what
    its frames begin with, a regular expression.
    """
    return lambda: [
        containers.id3(63) + bytes(63) + b"".join(ten)
        for ten in batched(re.split(b"(?=%b)" % frame, parts()[0])[1:], 10)
    ]


def batched(frames: list[bytes], count: int) -> list[list[bytes]]:
    return [frames[at : at + count] for at in range(0, len(frames), count)]


AAC_DELAYED = Sound(delay=1024, padding=956)
"""FFmpeg's encoder is a frame late, and a second doesn't fill its last one."""
MP3_DELAYED = Sound(delay=1105, padding=875)
"""LAME's encoder and every decoder are late; as above."""

MP3 = one("mp3", *XING)
MP3_BARE = one("mp3", *BARE)
FLAC = one("flac")
M4A = one("ipod")
ADTS = one("adts")
OGG = one("ogg", *OPUS, "-page_duration", "100000", rate=48000)

RECORDINGS = [
    # WAV
    Case(name="wav", parts=lambda: [wav()], seconds=0.5),
    Case(
        name="wav-after-wav",
        parts=lambda: [wav(), wav(seconds=0.2), wav(seconds=0.1)],
        sounds=(Sound(seconds=0.5), Sound(seconds=0.2), Sound(seconds=0.1)),
        seconds=0.8,
    ),
    Case(
        name="wav-after-another-wav",
        parts=lambda: [wav(), wav(rate=16000, channels=2), wav()],
        sounds=(Sound(seconds=0.5), Sound(seconds=0.5, channels=2), Sound(seconds=0.5)),
        seconds=1.5,
    ),
    Case(
        name="wav-in-every-chunk",
        parts=little_wavs,
        like=lambda: [wav()],
        seconds=0.5,
    ),
    Case(
        name="wav-extensible",
        parts=one("wav", "-c:a", "pcm_s24le", channels=2),
        seconds=1.0,
        channels=2,
    ),
    Case(
        name="wav-extensible-six-channels",
        parts=one("wav", "-ac", "6"),
        sounds=(Sound(gain=0.293),),  # the centre's share, if six aren't to clip together
        seconds=1.0,
    ),
    Case(
        name="wav-streamed",
        parts=lambda: [containers.streamed(wav(), 0xFFFFFFFF)],
        like=lambda: [wav()],
        seconds=0.5,
    ),
    Case(
        name="wav-streamed-after-wav-streamed",
        parts=lambda: [
            containers.streamed(wav(), 0),
            containers.streamed(wav(), 0x7FFFF000),
            containers.streamed(wav(), 0xFFFFFFFF),
        ],
        like=lambda: [wav(), wav(), wav()],
        sounds=(Sound(seconds=0.5),) * 3,
        seconds=1.5,
    ),
    Case(name="wav-with-more-behind", parts=one("wav", "-metadata", "title=a tone"), seconds=1.0),
    Case(name="wav-rf64", parts=one("wav", "-rf64", "always"), seconds=1.0),
    Case(name="wav-float", parts=one("wav", "-c:a", "pcm_f32le"), seconds=1.0),
    Case(name="wav-telephone", parts=one("wav", "-c:a", "pcm_mulaw", rate=8000), seconds=1.0),
    Case(
        name="wav-compressed",
        parts=one("wav", "-c:a", "adpcm_ms"),
        sounds=(Sound(padding=692),),
        seconds=1.0,
        within=LOSSY,
    ),
    Case(name="w64", parts=one("w64"), seconds=1.0),
    # Samples alone
    Case(
        name="raw",
        parts=lambda: [audio.pcm(rate=44100, channels=1, seconds=0.5)],
        like=lambda: [wav()],
        seconds=0.5,
    ),
    Case(
        name="raw-stereo",
        parts=lambda: [audio.pcm(rate=48000, channels=2, seconds=0.5)],
        like=lambda: [wav(rate=48000, channels=2)],
        seconds=0.5,
        sample_rate=48000,
        channels=2,
    ),
    # Browsers' recorders, and what happens to them when a page is loaded again
    Case(
        name="webm-recorder",
        parts=recorder,
        like=lambda: [b"".join(recorder())],
        seconds=1.0,
        within=LOSSY,
        sample_rate=48000,
    ),
    Case(
        name="webm-recorder-reconnected",
        parts=again(recorder, recorder),
        like=lambda: [b"".join(recorder())] * 2,
        sounds=(Sound(),) * 2,
        seconds=2.0,
        within=2 * LOSSY,
    ),
    Case(name="webm", parts=one("webm", *OPUS), seconds=1.0),
    Case(
        # As FFmpeg 5.1 writes it: the delay is counted at 16 kHz, and taken for one at 48 kHz.
        name="webm-short-delay",
        parts=lambda: [containers.with_delay(one("webm", *OPUS, rate=16000)()[0], 2_166_667)],
        seconds=1.0,
        sample_rate=16000,
    ),
    Case(
        name="mp4-recorder",
        parts=safari,
        like=lambda: [b"".join(safari())],
        sounds=(AAC_DELAYED,),
        seconds=1.0,
        within=LOSSY,
    ),
    Case(
        name="mp4-recorder-reconnected",
        parts=again(safari, safari),
        like=lambda: [b"".join(safari())] * 2,
        sounds=(AAC_DELAYED,) * 2,
        seconds=2.0,
        within=2 * LOSSY,
    ),
    # MP4 files
    Case(name="m4a", parts=M4A, seconds=1.0),
    Case(name="m4a-after-m4a", parts=again(M4A, M4A), sounds=(Sound(),) * 2, seconds=2.0),
    Case(
        name="m4a-index-first",
        parts=one("ipod", "-movflags", "+faststart"),
        seconds=1.0,
    ),
    Case(name="m4a-lossless", parts=one("ipod", "-c:a", "alac"), seconds=1.0),
    # MP3
    Case(name="mp3", parts=MP3, seconds=1.0, declared="mp3"),
    Case(name="mp3-id3", parts=one("mp3"), seconds=1.0),
    Case(name="mp3-picture", parts=tagged(MP3, 1 << 20), like=MP3, seconds=1.0),
    Case(name="mp3-two-tags", parts=tagged(one("mp3"), 100), like=MP3, seconds=1.0),
    Case(
        name="mp3-id3v1",
        parts=lambda: [MP3()[0] + b"TAGa tone".ljust(128, b"\0")],
        like=MP3,
        seconds=1.0,
    ),
    Case(name="mp3-variable", parts=one("mp3", "-q:a", "4", *XING), seconds=1.0),
    Case(
        name="mp3-bare",
        parts=MP3_BARE,
        sounds=(MP3_DELAYED,),
        seconds=1.0,
        within=LOSSY,
        declared="mp3",
    ),
    Case(name="mp3-after-mp3", parts=again(MP3, MP3, MP3), sounds=(Sound(),) * 3, seconds=3.0),
    Case(
        name="mp3-hls",
        parts=hls(MP3_BARE, rb"\xff\xfb[\x50\x52]"),
        like=MP3_BARE,
        sounds=(MP3_DELAYED,),
        seconds=1.0,
        within=LOSSY,
    ),
    # FLAC
    Case(name="flac", parts=FLAC, like=lambda: [wav(seconds=1.0)], seconds=1.0, declared="flac"),
    Case(name="flac-picture", parts=tagged(FLAC, 100_000), like=FLAC, seconds=1.0),
    Case(name="flac-after-flac", parts=again(FLAC, FLAC), sounds=(Sound(),) * 2, seconds=2.0),
    # AAC
    Case(name="adts", parts=ADTS, sounds=(AAC_DELAYED,), seconds=1.0, within=LOSSY, declared="aac"),
    Case(
        name="adts-hls",
        parts=hls(ADTS, rb"\xff\xf1\x50\x40"),
        like=ADTS,
        sounds=(AAC_DELAYED,),
        seconds=1.0,
        within=LOSSY,
    ),
    # Ogg
    Case(name="ogg-opus", parts=OGG, seconds=1.0, sample_rate=48000),
    Case(name="ogg-opus-after-ogg-opus", parts=again(OGG, OGG), sounds=(Sound(),) * 2, seconds=2.0),
    Case(
        name="ogg-vorbis",
        parts=one("ogg", "-c:a", "libvorbis", "-page_duration", "100000"),
        seconds=1.0,
    ),
    Case(
        # Of a stream that fits one page, FFmpeg leaves out 128 samples at the end (5.1 to 9.0).
        name="ogg-vorbis-in-a-page",
        parts=one("ogg", "-c:a", "libvorbis"),
        sounds=(Sound(padding=-128),),
        seconds=1.0,
        within=LOSSY,
    ),
    Case(name="ogg-flac", parts=one("ogg", "-c:a", "flac"), seconds=1.0),
    # Telephones': 50 frames at 4.75 kbit/s (RFC 4867 §5), of which no encoder at hand makes any
    Case(
        name="amr", parts=lambda: [b"#!AMR\n" + (b"\x04" + bytes(12)) * 50], sounds=(), seconds=1.0
    ),
    # Apple's
    Case(name="aiff", parts=one("aiff"), seconds=1.0),
    Case(name="caf", parts=one("caf"), seconds=1.0),
    # All at once: a recording that goes on with another client
    Case(
        name="one-of-each",
        parts=again(MP3, lambda: [wav()], FLAC, OGG, M4A, MP3),
        sounds=(Sound(), Sound(seconds=0.5), *[Sound()] * 4),
        seconds=5.5,
        within=LOSSY,
    ),
]
