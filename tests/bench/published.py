"""The published server's way, FFmpeg for each chunk as it comes, against one pass at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import defaultdict
from functools import partial
from statistics import median
from typing import TYPE_CHECKING
from unittest.mock import patch

from audioapi.media import assemble, wav
from local.services import ffmpeg
from tests.audio import pcm, samples_of
from tests.bench.bench import Bench, Measurement
from tests.bench.results import Figure, at_least
from tests.bench.timing import timed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK_BYTES = 64 * 1024
_RATE = 44100
_COUNTS = (50, 100, 200, 400)
_RAW = ("-f", "s16le", "-ar", str(_RATE), "-ac", "1")
_OURS_ROUNDS = 5
"""How often ours is done for each count, while the published way goes from the first to the last
chunk: what else the machine does falls on both.
"""


def _measure(bench: Bench) -> Iterator[Figure]:
    counts = (4, 8) if bench.quick else _COUNTS
    folder = bench.folder / "published"
    folder.mkdir()
    audio = _chunks(counts[-1])
    theirs, ours = 0.0, defaultdict[int, list[float]](list)
    with (
        patch.dict(os.environ, FFMPEG_PATH=str(ffmpeg.find())),
        bench.progress(f"{counts[-1]} chunks, each by FFmpeg", counts[-1]) as done,
    ):
        for number, data in enumerate(audio, start=1):
            theirs += timed(partial(_append, folder, data))
            done()
            for count in counts:
                if number <= count and number * _OURS_ROUNDS % count == 0:
                    ours[count].append(timed(partial(_assemble, folder, audio[:count])))
            if number in counts:
                _check_same(folder)
                yield _figure(number, theirs, median(ours[number]))
    shutil.rmtree(folder)


def _figure(number: int, theirs: float, ours: float) -> Figure:
    return Figure(
        f"the published way over ours, {number} chunks",
        theirs / ours,
        target=at_least(100) if number == _COUNTS[-1] else None,
        seen={"published, s": theirs, "ours, s": ours},
    )


def _chunks(count: int) -> list[bytes]:
    audio = pcm(rate=_RATE, channels=1, seconds=1.0) * count
    return [audio[n * _CHUNK_BYTES : (n + 1) * _CHUNK_BYTES] for n in range(count)]


def _append(folder: Path, data: bytes) -> None:
    """What the published server documents for each chunk: converted to WAV by FFmpeg, then
    concatenated with the audio so far. As a filter, for which every build of FFmpeg has the parts.
    """
    (folder / "chunk.raw").write_bytes(data)
    whole, longer = folder / "theirs.wav", folder / "longer.wav"
    _ffmpeg(*_RAW, "-i", folder / "chunk.raw", folder / "chunk.wav")
    if whole.exists():
        both = ("-i", whole, "-i", folder / "chunk.wav")
        _ffmpeg(*both, "-filter_complex", "concat=n=2:v=0:a=1", longer)
    else:
        (folder / "chunk.wav").replace(longer)
    longer.replace(whole)


def _ffmpeg(*arguments: str | Path) -> None:
    subprocess.run([ffmpeg.find(), "-nostdin", "-v", "error", "-y", *arguments], check=True)


def _assemble(folder: Path, audio: list[bytes]) -> None:
    """The worker's way from chunks to the parts of a WAV, each written to its place in a file."""
    report = assemble.Report()
    samples = assemble.assemble(audio, declared="wav", sample_rate=_RATE, channels=1, report=report)
    parts = wav.parts(samples, sample_rate=_RATE, channels=1, decoded=lambda: report.samples)
    header = wav.header(sample_rate=_RATE, channels=1, data_bytes=0)
    with (folder / "ours.wav").open("wb") as file:
        for number, data in parts:
            file.seek(0 if number == 1 else len(header) + (number - 1) * wav.PART_BYTES)
            file.write(data)


def _check_same(folder: Path) -> None:
    theirs, ours = (
        samples_of((folder / f"{name}.wav").read_bytes()) for name in ("theirs", "ours")
    )
    if theirs != ours:
        raise ValueError("The two ways give different samples")


MEASUREMENT = Measurement(
    "published",
    "FFmpeg concatenating for every chunk, over ours, at 50 to 400 chunks of 64 KB",
    50,
    "Both with the same FFmpeg, from the same chunks in memory to a file of the same samples. The "
    "published way is timed as its chunks go by; ours, of all chunks each time, is the median of 5 "
    "meanwhile. Storage and network are in neither.",
    _measure,
)
