"""Time taken side by side, so that what else the machine does falls on all that is compared."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


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
