"""Sound as telephone networks carry it: 8 kHz, mono, 16 bits, nothing above the voice band."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from audioapi.media.damage import Damage, DamageReport
from audioapi.media.errors import DamagedError
from audioapi.media.ffmpeg import run, to_stdout
from audioapi.media.loudness import OUTPUT, Meter
from audioapi.media.segments import Pcm, Segment, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from audioapi.media.ffmpeg import Limits
    from audioapi.media.loudness import Loudness

TELEPHONY = Pcm("s16le", 8000, 1)
_HEADROOM_DB = 12.0
"""Lossy formats decode to more than full scale: as much has to be measured before it is clipped."""
# Flat to 3.4 kHz, where the voice band ends, and quiet from 3.8 kHz on, as what is above 4 kHz
# would fold back into it (ITU-T G.712). Channels are averaged: their plain sum would clip.
_RESAMPLE = "aresample=8000:filter_size=128:cutoff=0.9:out_chlayout=mono:rematrix_maxval=1"
_AUDIBLE_SECONDS = 0.05
_MEASURES = ("-map", "0:a:0", *to_stdout(TELEPHONY), *OUTPUT)


def telephony(
    blocks: Iterable[bytes], *, limits: Limits, gain_db: float = 0.0, loglevel: str = "error"
) -> Iterator[bytes]:
    """A file's sound as s16le samples at 8 kHz in one channel, louder by `gain_db`, in blocks of up
    to 1 MB.

    Raises what `ffmpeg.run` does; DamagedError also if less came than the file says that it has, or
    some of it was left out.
    """
    report = DamageReport()
    segment = whole(blocks, warn=report.warn)
    filters = f"{_RESAMPLE},volume={gain_db:.2f}dB" if gain_db else _RESAMPLE
    outputs = "-map", "0:a:0", "-af", filters, *to_stdout(TELEPHONY)
    damage = yield from run(segment, outputs, TELEPHONY, limits=limits, loglevel=loglevel)
    # What can't be decoded may be a tag, unless the file says that there was more sound.
    if damage and segment.promise.seconds and (damage.lost_seconds or 0.0) >= _AUDIBLE_SECONDS:
        report.warn(damage.reason, damage.lost_seconds)
    if report.warnings:
        raise DamagedError(Damage("; ".join(report.warnings), report.lost_seconds))


def loudness(blocks: Iterable[bytes], *, limits: Limits) -> Loudness:
    """How loud a file is as `telephony` has it, without gain, and before anything is clipped.
    Raises what that does.
    """
    meter = Meter()
    sound = telephony(blocks, limits=limits, gain_db=-_HEADROOM_DB)
    heard = run(
        Segment(TELEPHONY, sound),
        _MEASURES,
        TELEPHONY,
        limits=limits,
        loglevel="info",
        hear=meter.hear,
    )
    samples = sum(map(len, heard)) // TELEPHONY.frame_bytes
    measured = meter.loudness(seconds=samples / TELEPHONY.sample_rate)
    return replace(
        measured,
        integrated_lufs=_restored(measured.integrated_lufs),
        true_peak_dbtp=_restored(measured.true_peak_dbtp),
    )


def _restored(level: float | None) -> float | None:
    return None if level is None else level + _HEADROOM_DB
