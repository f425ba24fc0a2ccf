"""Makes a file fit for call flows: 8 kHz, mono, 16 bits, as loud as the library is to be."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from audioapi import settings, worker
from audioapi.media import telephony, wav
from audioapi.media.errors import LostSoundError
from audioapi.media.ffmpeg import Limits
from audioapi.media.telephony import TELEPHONY
from audioapi.media.waveform import Peaks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from io import BufferedRandom

_MEGABYTE = 1024 * 1024
IN_A_REQUEST = Limits(audio_seconds=1800, cpu_seconds=7, stall_seconds=7, disk_bytes=64 * _MEGABYTE)
"""FFmpeg may run three times in 29 s, on a disk of 512 MB: twice at once, then once more."""
TRUE_PEAK_DBTP = -1.0
"""What EBU R 128 lets peaks come to."""


@dataclass(frozen=True)
class Normalised:
    """What was made: a WAV of `size` bytes, `checksum` its SHA-256 in hex, and its peaks as BBC
    audiowaveform's JSON of version 2.
    """

    duration_seconds: float
    size: int
    checksum: str
    waveform: bytes


def in_the_worker() -> Limits:
    """The worker's, but that the file and what is made of it share the disk."""
    limits = worker.limits()
    half = limits.disk_bytes // 2
    fits = half / (TELEPHONY.sample_rate * TELEPHONY.frame_bytes)
    return replace(limits, audio_seconds=min(limits.audio_seconds, fits), disk_bytes=half)


def normalise(
    blocks: Callable[[], Iterable[bytes]], made: BufferedRandom, *, limits: Limits
) -> Normalised:
    """Writes the WAV to `made`, an empty file, in flat memory. `blocks` gives the original's bytes,
    once more each time. Raises MediaError, also for what only breaks off: a prompt that ends in the
    middle of a word is none; and LostSoundError.
    """
    gain_db = _gain_db(blocks, limits)
    peaks = Peaks(sample_rate=TELEPHONY.sample_rate)
    empty = _header(0)
    made.write(empty)
    sound = telephony.telephony(
        blocks(),
        limits=limits,
        gain_db=gain_db,
        loglevel=settings.library().ffmpeg_loglevel,
    )
    samples = 0
    for block in sound:
        made.write(block)
        peaks.add(block)
        samples += len(block) // TELEPHONY.frame_bytes
    data_bytes = made.tell() - len(empty)
    LostSoundError.check(
        "the file holds",
        data_bytes // TELEPHONY.frame_bytes,
        decoded=samples,
        sample_rate=TELEPHONY.sample_rate,
    )
    made.seek(0)
    made.write(_header(data_bytes))
    made.seek(0)
    return Normalised(
        duration_seconds=data_bytes / (TELEPHONY.sample_rate * TELEPHONY.frame_bytes),
        size=len(empty) + data_bytes,
        checksum=hashlib.file_digest(made, "sha256").hexdigest(),
        waveform=json.dumps(peaks.as_json(), separators=(",", ":")).encode(),
    )


def _gain_db(blocks: Callable[[], Iterable[bytes]], limits: Limits) -> float:
    """What brings the file to the library's loudness, or as near as its peaks allow. 0 without a
    target, and for what has no loudness: silence, and less than 400 ms.
    """
    target = settings.library().library_loudness_lufs
    if target is None:
        return 0.0
    measured = telephony.loudness(blocks(), limits=limits)
    if measured.integrated_lufs is None or measured.true_peak_dbtp is None:
        return 0.0
    return min(
        target - measured.integrated_lufs,
        TRUE_PEAK_DBTP - measured.true_peak_dbtp,
    )


def _header(data_bytes: int) -> bytes:
    return wav.header(sample_rate=TELEPHONY.sample_rate, channels=1, data_bytes=data_bytes)
