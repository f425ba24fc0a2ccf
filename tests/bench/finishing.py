"""What the end of a session costs, over the least that could be done with the same bytes."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from local.services import ffmpeg
from tests.audio import pcm
from tests.bench.bench import Bench, Measurement
from tests.bench.helpers import Worker
from tests.bench.results import Figure, Target, at_most
from tests.bench.timing import Cost, Way, cost, interleaved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Length:
    name: str
    seconds: int
    rate: int
    rounds: int
    target: Target | None = None

    @property
    def label(self) -> str:
        return f"{self.name} at {self.rate / 1000:g} kHz"


_SHORT = Length("1 minute", 60, 16000, 5)
_HOUR = Length("1 hour", 3600, 16000, 5, at_most(1.5))
_LENGTHS = (
    _SHORT,
    _HOUR,
    Length("1 hour", 3600, 44100, 5, at_most(1.5)),
    Length("6 hours", 6 * 3600, 16000, 3),
)
_QUICK = (Length("2 seconds", 2, 16000, 1),)
_THROUGH_MOTO = (_SHORT, _HOUR)
"""Longer sessions are not: chunk by chunk takes long."""


@dataclass(frozen=True)
class Session:
    """A session that waits to be finished, and its samples in a file."""

    length: Length
    pcm: Path
    item: dict[str, Any]

    def finish(self, worker: Worker) -> dict[str, Any]:
        result = worker.do("finish", session=self.item)
        if result["error"] or result["duration_seconds"] != self.length.seconds:
            raise ValueError(f"{self.length.label} became {result}")
        return result

    def plain_pass(self) -> Cost:
        """Of the least there is to do: FFmpeg reads samples and writes a WAV."""
        made = self.pcm.with_suffix(".wav")
        reads = ("-f", "s16le", "-ar", str(self.length.rate), "-ac", "1", "-i", self.pcm)
        command = [ffmpeg.find(), "-nostdin", "-v", "error", *reads, made]
        taken = cost(partial(subprocess.run, command, check=True))
        made.unlink()
        return taken


def _measure(bench: Bench) -> Iterator[Figure]:
    lengths = _QUICK if bench.quick else _LENGTHS
    folder = bench.folder / "finishing"
    folder.mkdir()
    peaks: dict[Length, float] = {}
    for length in lengths:
        yield from _in_folder(bench, folder, length, peaks)
    yield _memory(peaks, _QUICK[0] if bench.quick else _HOUR, lengths[-1])
    for length in _QUICK if bench.quick else _THROUGH_MOTO:
        yield _through_moto(bench, folder, length)
    shutil.rmtree(folder)


def _in_folder(
    bench: Bench, folder: Path, length: Length, peaks: dict[Length, float]
) -> Iterator[Figure]:
    """Filled by a worker of its own, whose memory doesn't count."""
    objects, environment = folder / "objects", bench.services.environment
    with (
        Worker(environment, objects) as filler,
        _session(bench, filler, folder, length) as session,
        Worker(environment, objects) as worker,
    ):
        finish, plain, peaks[length] = _side_by_side(bench, session, worker)
    shutil.rmtree(objects)
    yield Figure(
        f"finishing {length.label} over a plain FFmpeg pass",
        finish.wall / plain.wall,
        target=length.target,
        seen={
            "finish, s": finish.wall,
            "plain pass, s": plain.wall,
            "chunks": session.item["total_chunks"],
            "of them folded": _folded(session),
        },
    )
    yield Figure(
        f"the same in processor time, {length.label}",
        finish.cpu / plain.cpu,
        seen={"finish, s": finish.cpu, "plain pass, s": plain.cpu},
    )


def _through_moto(bench: Bench, folder: Path, length: Length) -> Figure:
    with (
        Worker(bench.services.environment, None) as worker,
        _session(bench, worker, folder, length) as session,
    ):
        finish, plain, _ = _side_by_side(bench, session, worker)
    return Figure(
        f"finishing {length.label} through moto's S3",
        finish.wall / plain.wall,
        seen={"finish, s": finish.wall, "plain pass, s": plain.wall},
    )


def _memory(peaks: Mapping[Length, float], short: Length, long: Length) -> Figure:
    return Figure(
        f"the worker's peak memory, {long.name} over {short.name}",
        peaks[long] / peaks[short],
        seen={f"{short.name}, MB": peaks[short], f"{long.name}, MB": peaks[long]},
    )


@contextmanager
def _session(bench: Bench, worker: Worker, folder: Path, length: Length) -> Iterator[Session]:
    """A session of that length, filled by the worker."""
    samples = folder / "samples.pcm"
    second = pcm(rate=length.rate, channels=1, seconds=1.0)
    with samples.open("wb") as file:
        file.writelines(second for _ in range(length.seconds))
    with bench.progress(f"filling a session of {length.label}", 1):
        item = worker.do(
            "fill", session_id=str(uuid.uuid4()), pcm=str(samples), sample_rate=length.rate
        )
    yield Session(length, samples, item)
    samples.unlink()


def _side_by_side(bench: Bench, session: Session, worker: Worker) -> tuple[Cost, Cost, float]:
    """Medians of finishing and of the plain pass, and the worker's peak memory in MB."""
    results = [session.finish(worker)]  # makes its clients, as those of a warm function are
    finish = Way(partial(_finish, session, worker, results))
    plain = Way(session.plain_pass)
    rounds = session.length.rounds
    with bench.progress(f"finishing {session.length.label}", 2 * rounds) as done:
        taken = interleaved({"plain": plain, "finish": finish}, rounds, done)
    return (
        Cost(taken["finish"], finish.cpu),
        Cost(taken["plain"], plain.cpu),
        results[-1]["peak_mb"],
    )


def _finish(session: Session, worker: Worker, results: list[dict[str, Any]]) -> Cost:
    results.append(session.finish(worker))
    return Cost(results[-1]["wall"], results[-1]["cpu"])


def _folded(session: Session) -> int:
    last = session.item["folded_to"]
    return int(last) + 1 if last else 0


MEASUREMENT = Measurement(
    "finish",
    "finishing a session over one plain ffmpeg pass, at 1 minute, 1 hour and 6 hours",
    200,
    "The jobs worker's own code on PCM in chunks of 24,000 bytes, folded by its own fold jobs, "
    "from its first look at the session to the news in the queue; the plain pass reads the same "
    "samples from a file and writes a WAV to the same disk. S3 is a folder: its latency is "
    "excluded, as is moto's, which the figures through moto's S3 show. DynamoDB and SQS are moto's "
    "in both. Memory is the process's without FFmpeg.",
    _measure,
)
