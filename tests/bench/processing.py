"""What it costs to make of a recording all that is told of it, over the least that must be done."""

from __future__ import annotations

import shutil
import subprocess
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import imageio_ffmpeg  # type: ignore[import-untyped]
import psutil

from audioapi.recordings import recording_key
from local.services import ffmpeg
from tests.bench.bench import ROOT, Bench, Measurement
from tests.bench.helpers import Worker
from tests.bench.results import Figure, Target, at_most
from tests.bench.timing import Cost, Way, cost, interleaved
from tests.bench.worker import CALLER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SPEECH = ROOT / "local" / "samples" / "speech.wav"
_SPOKEN_SECONDS = 30
_MB = 1024**2
_LOOK_EVERY = 0.05  # seconds
_TOLERANCE = 0.1
"""Seconds that MP3 adds: its encoder's delay, and what fills its last frame."""


@dataclass(frozen=True)
class Length:
    name: str
    seconds: int
    rounds: int
    target: Target | None = None


@dataclass(frozen=True)
class Peak:
    """MB of memory at most: the worker's own, and together with the FFmpeg that it runs."""

    worker: float
    together: float


_LENGTHS = (Length("10 minutes", 600, 5), Length("1 hour", 3600, 5, at_most(2)))
_QUICK = (Length("1 second", 1, 1), Length("2 seconds", 2, 1))


class Recordings:
    """Speech again and again, as MP3, in the bucket that is a folder; and workers to process it."""

    def __init__(self, bench: Bench, objects: Path) -> None:
        self._bench = bench
        self._environment = bench.services.environment
        self._objects = objects
        self._bucket = objects / self._environment["AUDIO_BUCKET"]

    def put(self, seconds: int) -> Path:
        made = self._bench.kept / f"speech-{seconds}.mp3"
        if not made.exists():
            with self._bench.progress(f"making {seconds:,} s of MP3", 1):
                _encode(made, seconds)
        path = self._bucket / recording_key(CALLER.organization_id, CALLER.user_id, made.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, path)
        return path

    def worker(self, **environment: str) -> Worker:
        return Worker({**self._environment, **environment}, self._objects)

    def process(self, worker: Worker, path: Path, seconds: int) -> dict[str, Any]:
        result = worker.do("process", file_name=path.name)
        if result["error"] or abs(result["duration_seconds"] - seconds) > _TOLERANCE:
            raise ValueError(f"{path.name} became {result}")
        return result

    def forget_results(self) -> None:
        """An hour's take a quarter of a gigabyte."""
        for folder in ("processing", "sessions"):
            shutil.rmtree(self._bucket / folder)


def _measure(bench: Bench) -> Iterator[Figure]:
    lengths = _QUICK if bench.quick else _LENGTHS
    folder = bench.folder / "processing"
    folder.mkdir()
    peaks: dict[Length, Peak] = {}
    recordings = Recordings(bench, folder / "objects")
    with recordings.worker() as worker:
        for length in lengths:
            yield from _process(bench, recordings, worker, length, peaks)
    yield _memory(peaks, *lengths)
    yield _transcription(bench, recordings)
    shutil.rmtree(folder)


def _process(
    bench: Bench,
    recordings: Recordings,
    worker: Worker,
    length: Length,
    peaks: dict[Length, Peak],
) -> Iterator[Figure]:
    path = recordings.put(length.seconds)
    with bench.progress(f"processing {length.name} of MP3", 2 * length.rounds) as done:
        # The worker's very first run makes its clients, as a warm function has them.
        peaks[length] = _peak(recordings, worker, path, length)
        plain = Way(partial(_plain_pass, path))
        process = Way(partial(_whole_work, recordings, worker, path, length))
        taken = interleaved({"plain": plain, "process": process}, length.rounds, done)
    yield Figure(
        f"processing {length.name} of MP3 over a plain FFmpeg pass",
        taken["process"] / taken["plain"],
        target=length.target,
        seen={
            "process, s": taken["process"],
            "plain pass, s": taken["plain"],
            "times real time": length.seconds / taken["process"],
        },
    )
    yield Figure(
        f"the same in processor time, {length.name}",
        process.cpu / plain.cpu,
        seen={"process, s": process.cpu, "plain pass, s": plain.cpu},
    )


def _whole_work(recordings: Recordings, worker: Worker, path: Path, length: Length) -> Cost:
    result = recordings.process(worker, path, length.seconds)
    recordings.forget_results()
    return Cost(result["wall"], result["cpu"])


def _plain_pass(path: Path) -> Cost:
    """Of the least there is to do: FFmpeg reads the MP3 and writes a 16 kHz mono WAV."""
    made = path.with_suffix(".wav")
    taken = cost(partial(_convert, path, made))
    made.unlink()
    return taken


def _convert(path: Path, made: Path) -> None:
    command = [ffmpeg.find(), "-nostdin", "-v", "error", "-i", path]
    subprocess.run([*map(str, command), "-ar", "16000", "-ac", "1", str(made)], check=True)


def _peak(recordings: Recordings, worker: Worker, path: Path, length: Length) -> Peak:
    with _watched(worker.pid) as together:
        result = recordings.process(worker, path, length.seconds)
    recordings.forget_results()
    return Peak(result["peak_mb"], max(together))


@contextmanager
def _watched(pid: int) -> Iterator[list[float]]:
    """MB of the process with its children, looked at every now and then during the block."""
    seen = [_resident(pid)]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_EVERY):
            seen.append(_resident(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _resident(pid: int) -> float:
    process = psutil.Process(pid)
    name, total = process.name(), process.memory_info().rss
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            # Until it is FFmpeg, its memory is its parent's.
            total += child.memory_info().rss if child.name() != name else 0
    return total / _MB


def _memory(peaks: Mapping[Length, Peak], short: Length, long: Length) -> Figure:
    return Figure(
        f"peak memory with FFmpeg, {long.name} over {short.name}",
        peaks[long].together / peaks[short].together,
        target=at_most(1.3),
        seen={
            **{f"{length.name}, MB": peaks[length].together for length in (short, long)},
            **{
                f"{length.name} without FFmpeg, MB": peaks[length].worker
                for length in (short, long)
            },
        },
    )


def _transcription(bench: Bench, recordings: Recordings) -> Figure:
    seconds, rounds = (_QUICK[0].seconds, 1) if bench.quick else (_SPOKEN_SECONDS, 3)
    path = recordings.put(seconds)
    wav = path.with_suffix(".wav")
    _convert(path, wav)
    with (
        recordings.worker(TRANSCRIBER="pocketsphinx") as worker,
        bench.progress(f"transcribing {seconds} s of speech", 2 * rounds) as done,
    ):
        words = _transcribed(recordings, worker, path, seconds)["words"]  # loads the model
        ways = {
            "ours": lambda: _transcribed(recordings, worker, path, seconds)["seconds"],
            "plain": lambda: worker.do("recognise", wav=str(wav))["seconds"],
        }
        taken = interleaved(ways, rounds, done)
    wav.unlink()
    return Figure(
        f"transcribing {seconds} s of speech over PocketSphinx alone",
        taken["ours"] / taken["plain"],
        seen={
            "transcription, s": taken["ours"],
            "PocketSphinx alone, s": taken["plain"],
            "times real time": seconds / taken["ours"],
            "words": words,
        },
    )


def _transcribed(
    recordings: Recordings, worker: Worker, path: Path, seconds: int
) -> dict[str, Any]:
    task_id = recordings.process(worker, path, seconds)["task_id"]
    told = worker.do("transcribe", task_id=task_id)
    if told["status"] != "SUCCESS":
        raise ValueError(f"The transcription came to {told}")
    return told


def _encode(made: Path, seconds: int) -> None:
    """Two channels that differ, as music's do: the right one lags. By imageio-ffmpeg: the layer's
    build has no encoders.
    """
    draft = made.with_suffix(".draft")
    stereo = "[0:a]asplit[left][right];[right]adelay=300[lagging];[left][lagging]join"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]
    command += ["-stream_loop", "-1", "-i", _SPEECH, "-filter_complex", stereo]
    command += ["-t", str(seconds), "-ar", "44100", "-b:a", "128k", "-f", "mp3", draft]
    subprocess.run(command, check=True)
    draft.replace(made)


MEASUREMENT = Measurement(
    "process",
    "processing an hour of MP3 over one plain ffmpeg pass, its memory, and the transcription",
    300,
    "The jobs worker's own code on speech as MP3, 44.1 kHz, stereo, 128 kbit/s: normalised WAV, "
    "loudness, peaks, silences and memories, without a transcript; the plain pass reads the same "
    "file and writes a 16 kHz mono WAV to the same disk. S3 is a folder, so its latency is "
    "excluded; PostgreSQL is real, DynamoDB and SQS are moto's. Memory is looked at 20 times a "
    "second in a run of its own. The transcription is PocketSphinx's part jobs, one after the "
    "other, on the processed sound; PocketSphinx alone hears the same samples all at once.",
    _measure,
)
