"""One pass over a recording: its sound for everything that comes after, and its loudness."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from audioapi.media.damage import DamageReport
from audioapi.media.errors import DamagedError, NotAudioError
from audioapi.media.ffmpeg import Limits, run, to_stdout
from audioapi.media.loudness import OUTPUT, Loudness, Meter
from audioapi.media.segments import Pcm, whole
from audioapi.media.sniff import Container

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from audioapi.media.damage import Damage
    from audioapi.media.segments import Segment

__all__ = ["SAMPLE_RATE", "Limits", "Report", "Source", "estimated_seconds", "survey"]

SAMPLE_RATE = 16_000
"""Hz of the sound that comes out, in one channel: what recognisers of speech take."""

_SOUND = Pcm("s16le", SAMPLE_RATE, 1)
_OUTPUTS = ("-map", "0:a:0", *to_stdout(_SOUND), *OUTPUT)

_STREAM = re.compile(r"\[info\] +Stream #0:[^:]*: Audio: (\w+)[^,]*, (\d{1,10}) Hz, .*")


@dataclass(frozen=True)
class Source:
    """What a file is. `container` is known by its signs, `size_bytes` and `channels` were counted,
    `bit_rate` is bits of the file for a second of sound. `codec` (FFmpeg's name) and `sample_rate`
    in Hz are what the file says, for people to read; None if FFmpeg doesn't tell.
    """

    container: str
    codec: str | None
    sample_rate: int | None
    channels: int
    size_bytes: int
    bit_rate: int


@dataclass
class Report(DamageReport):
    """What became of a file, complete when the last sample is out: how many `samples` came of it;
    `warnings`, for whoever sent it, say what is damaged or missing.
    """

    samples: int = 0
    source: Source | None = None
    loudness: Loudness | None = None

    @property
    def seconds(self) -> float:
        return self.samples / SAMPLE_RATE


def estimated_seconds(head: bytes, *, size_bytes: int) -> float | None:
    """How much sound a file of that size seems to hold that begins with `head`: what it says, which
    may be a lie. None if it doesn't say it there.
    """
    try:
        segment = whole([head], warn=lambda *_: None)
    except NotAudioError:
        return None
    if isinstance(segment.kind, Pcm):
        return size_bytes / segment.kind.frame_bytes / segment.kind.sample_rate
    return segment.promise.seconds


def survey(
    blocks: Iterable[bytes], *, report: Report, limits: Limits | None = None
) -> Iterator[bytes]:
    """A file's sound at 16 kHz in one channel, s16le, in blocks of up to 1 MB, while its loudness
    is measured at its own rate and in its own channels. The file may be cut into blocks anywhere.

    Of a damaged file comes what can be had, and what was lost is reported. Raises NotAudioError if
    not one sample comes of it, and what else `ffmpeg.run` raises but damage.
    """
    notes = _Notes()
    segment = whole(notes.counted(blocks), warn=report.warn)
    # Filters say at level info what they measured.
    sound = run(
        segment, _OUTPUTS, _SOUND, limits=limits or Limits(), loglevel="info", hear=notes.hear
    )
    try:
        damage = yield from _reported(sound, report)
    except DamagedError as error:
        damage = error.damage
    if damage:
        report.warn(f"{segment.name}: {damage.reason}", damage.lost_seconds)
    if notes.meter.formats > 1:
        report.warn("Its sample rate or its channels change on the way: its loudness is unknown")
    report.source = notes.source(segment, seconds=report.seconds)
    report.loudness = notes.meter.loudness(seconds=report.seconds)


def _reported(
    sound: Generator[bytes, None, Damage | None], report: Report
) -> Generator[bytes, None, Damage | None]:
    """The same blocks; their samples are counted before anybody sees them."""
    with contextlib.closing(sound):
        while True:
            try:
                block = next(sound)
            except StopIteration as end:
                return cast("Damage | None", end.value)
            report.samples += len(block) // _SOUND.frame_bytes
            yield block


class _Notes:
    """What is found out of a file on the way."""

    def __init__(self) -> None:
        self.meter = Meter()
        self._size_bytes = 0
        self._stream: re.Match[str] | None = None

    def counted(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._size_bytes += len(block)
            yield block

    def hear(self, line: str) -> None:
        self._stream = self._stream or _STREAM.fullmatch(line)
        self.meter.hear(line)

    def source(self, segment: Segment, *, seconds: float) -> Source:
        return Source(
            container=_container(segment.kind),
            codec=self._stream and self._stream.group(1),
            sample_rate=self._stream and int(self._stream.group(2)),
            channels=self.meter.channels,
            size_bytes=self._size_bytes,
            bit_rate=round(8 * self._size_bytes / seconds),
        )


def _container(kind: Container | Pcm) -> str:
    if isinstance(kind, Pcm):
        return "wav"  # of which plain samples are taken out
    return "mp4" if kind is Container.FMP4 else kind.name.lower()
