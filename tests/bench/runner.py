"""Does measurements one after the other, and keeps what each finds before the next begins."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local.services import ffmpeg
from tests.bench.results import INTERRUPTED, Figure, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from tests.bench.bench import Bench, Measurement
    from tests.bench.kept import Kept


def run(
    measurements: Sequence[Measurement], bench: Bench, screen: Console, kept: Kept
) -> Iterator[Outcome]:
    """What was found until a Ctrl-C is kept, too, before the KeyboardInterrupt goes on."""
    estimates = [_estimate(measurement, bench, kept) for measurement in measurements]
    if len(measurements) > 1 and all(estimates):
        screen.print(f"{len(measurements)} measurements, {_about(sum(estimates))} in all")
    for number, measurement in enumerate(measurements):
        place = f"{number + 1}/{len(measurements)}"
        seconds = estimates[number]
        screen.print(
            f"[bold]{measurement.name}[/bold] ({place}): {measurement.title}"
            + (f"; {_about(seconds)}" if seconds else "")
        )
        outcome = _outcome(measurement, bench, screen)
        kept.add(outcome)
        yield outcome
        if outcome.error == INTERRUPTED:
            raise KeyboardInterrupt


def _estimate(measurement: Measurement, bench: Bench, kept: Kept) -> float:
    """Seconds that it will take; 0 if nobody knows, as of quick runs the first time."""
    return kept.seconds(measurement.name) or (0.0 if bench.quick else measurement.seconds)


def _about(seconds: float) -> str:
    return f"about {seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} min"


def _outcome(measurement: Measurement, bench: Bench, screen: Console) -> Outcome:
    """One that breaks off keeps what it found, and doesn't keep the others from being done."""
    began, found = datetime.now(UTC), machine()
    start, figures, problem = time.monotonic(), list[Figure](), None
    try:
        figures.extend(measurement.measure(bench))
    except KeyboardInterrupt:
        problem = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the outermost edge of a measurement
        problem = f"{type(error).__name__}: {error}"
    if problem:
        screen.print(f"  {problem}", style="red", markup=False)
    seconds = round(time.monotonic() - start, 1)
    when = began.isoformat(timespec="seconds")
    return Outcome(measurement.name, measurement.note, when, seconds, found, figures, problem)


def machine() -> dict[str, Any]:
    """What it runs on; the load before it begins tells how much else is going on."""
    asked = [str(ffmpeg.find()), "-hide_banner", "-version"]
    version = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "ffmpeg": version.splitlines()[0],
        "load": round(os.getloadavg()[0], 2),
    }
