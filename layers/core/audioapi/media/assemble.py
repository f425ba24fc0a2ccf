"""From chunks as they came to the samples of a whole session."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from audioapi.media.damage import DamageReport
from audioapi.media.errors import DamagedError, MediaError, NotAudioError
from audioapi.media.ffmpeg import Limits, decode
from audioapi.media.segments import Pcm, Segment, split
from audioapi.media.sniff import Container

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Limits", "MediaError", "NotAudioError", "Report", "assemble"]

_DECLARED = {"mp3": Container.MP3, "flac": Container.FLAC, "aac": Container.ADTS}


@dataclass
class Report(DamageReport):
    """What became of a session, complete when the last sample is out: `samples` per channel,
    `segments` as files or runs of raw samples, `warnings` for whoever sent the audio.
    """

    samples: int = 0
    segments: int = 0


def assemble(  # noqa: PLR0913 - by keyword, and each is a parameter of the session
    chunks: Iterable[bytes],
    *,
    declared: str,
    sample_rate: int,
    channels: int,
    report: Report,
    limits: Limits | None = None,
    loglevel: str = "error",
) -> Iterator[bytes]:
    """The session as s16le samples, interleaved, at `sample_rate` Hz, in blocks of up to 1 MB.

    Chunks are taken as pieces of a stream, in order. What they are, their bytes say; `declared`
    (wav, mp3, flac, aac) only what bytes don't: for wav, that they are samples in the session's own
    format. Damage is passed over and reported. Raises NotAudioError if not one sample comes of it,
    TooLongError past `limits.audio_seconds`, and what else `ffmpeg.decode` raises but damage.
    """
    limits = limits or Limits()
    session = Pcm("s16le", sample_rate, channels)
    segments = split(chunks, declared=_DECLARED.get(declared, session), warn=report.warn)
    for block in _decoded(segments, session, limits, loglevel, report):
        report.samples += len(block) // session.frame_bytes
        limits.check(report.samples, sample_rate)
        yield block
    if report.samples == 0:
        raise NotAudioError(report.warnings[0] if report.warnings else "No audio was received")


def _decoded(
    segments: Iterable[Segment], session: Pcm, limits: Limits, loglevel: str, report: Report
) -> Iterator[bytes]:
    """The samples of each segment, as far as there are good ones."""
    for segment in _joined(_counted(segments, report)):
        start = report.samples / session.sample_rate
        try:
            damage = yield from decode(
                segment,
                sample_rate=session.sample_rate,
                channels=session.channels,
                limits=limits,
                loglevel=loglevel,
            )
        except NotAudioError as error:
            damage = segment.judged(error.damage, 0.0)
        except DamagedError as error:
            damage = error.damage
        if damage:
            end = report.samples / session.sample_rate
            report.warn(f"{_place(segment, start, end)}: {damage.reason}", damage.lost_seconds)


def _place(segment: Segment, start: float, end: float) -> str:
    if start == end:
        return f"{segment.name} at {start:.2f} s"
    return f"{segment.name} from {start:.2f} s to {end:.2f} s"


def _counted(segments: Iterable[Segment], report: Report) -> Iterator[Segment]:
    for report.segments, segment in enumerate(segments, start=1):
        yield segment


def _joined(segments: Iterable[Segment]) -> Iterator[Segment]:
    """The same segments, neighbours of one lineage as one: a session of little WAV files, one a
    chunk, is decoded by one FFmpeg and not by thousands.
    """
    for lineage, group in groupby(segments, key=attrgetter("lineage")):
        if lineage is None:
            yield from group
        else:
            first = next(group)
            yield Segment(first.kind, chain(first.data, chain.from_iterable(s.data for s in group)))
