"""Time taken side by side, so that what else the machine does falls on all that is compared."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import psutil

from local.processes.sessions import peak_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Cost(NamedTuple):
    """Seconds by the clock, and of all processors together."""

    wall: float
    cpu: float


def cost(work: Callable[[], object]) -> Cost:
    """What it takes, with what its child processes take that end meanwhile."""
    before = _cpu_seconds()
    wall = timed(work)
    return Cost(wall, _cpu_seconds() - before)


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


class Way:
    """Seconds of the clock for one time, and of processors at the median of all."""

    def __init__(self, way: Callable[[], Cost]) -> None:
        self._way = way
        self._cpu: list[float] = []

    def __call__(self) -> float:
        taken = self._way()
        self._cpu.append(taken.cpu)
        return taken.wall

    @property
    def cpu(self) -> float:
        return median(self._cpu)


def cpu_seconds(pid: int) -> float:
    """That another process's threads have taken. On Linux to the nanosecond: its other counts are
    in hundredths of a second.
    """
    if exact := list(Path(f"/proc/{pid}/task").glob("*/schedstat")):
        return sum(int(thread.read_text().split()[0]) for thread in exact) / 1e9
    used = psutil.Process(pid).cpu_times()
    return used.user + used.system


def peak_mb() -> int:
    """Of this process. Where the system tells no more, what it tells every process of itself: on
    macOS, in bytes. On Linux that would be its parent's, if that had more.
    """
    known = peak_memory(os.getpid())
    return known or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024**2


def interleaved(
    ways: Mapping[str, Callable[[], float]], rounds: int, done: Callable[[], None]
) -> dict[str, float]:
    """The median of what each way says it took, in the order A B A B; `done` hears of each run."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(way())
            done()
    return {name: median(seconds) for name, seconds in taken.items()}
