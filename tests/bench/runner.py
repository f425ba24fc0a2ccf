"""Does measurements one after the other, and keeps what they find."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local.services import ffmpeg
from tests.bench import results
from tests.bench.bench import Bench, Measurement
from tests.bench.results import Figure, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rich.console import Console


def run(
    measurements: Iterable[Measurement], screen: Console, folder: Path, *, quick: bool
) -> list[Outcome]:
    with Bench(screen, folder, quick=quick) as bench:
        return [_outcome(measurement, bench, screen) for measurement in measurements]


def _outcome(measurement: Measurement, bench: Bench, screen: Console) -> Outcome:
    """One that breaks off keeps what it found, and doesn't keep the others from being done."""
    heading = f"[bold]{measurement.name}[/bold]: {measurement.title}"
    screen.print(heading, highlight=False, soft_wrap=True)
    began, figures, problem = time.monotonic(), list[Figure](), None
    try:
        figures.extend(measurement.measure(bench))
    except Exception as error:  # noqa: BLE001 - the outermost edge of a measurement
        problem = f"{type(error).__name__}: {error}"
        screen.print(f"  {problem}", style="red", markup=False, highlight=False, soft_wrap=True)
    seconds = time.monotonic() - began
    return Outcome(measurement.name, measurement.note, seconds, figures, problem)


def machine() -> dict[str, Any]:
    """What it ran on; the load before it began tells how much else was going on."""
    asked = [str(ffmpeg.find()), "-hide_banner", "-version"]
    version = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "ffmpeg": version.splitlines()[0],
        "load": round(os.getloadavg()[0], 2),
    }


def keep(
    outcomes: list[Outcome], folder: Path, began: datetime, found: dict[str, Any], *, quick: bool
) -> Path:
    """Writes the run's own file and latest.json, and says where."""
    told = {
        "began": began.isoformat(timespec="seconds"),
        "seconds": round((datetime.now(UTC) - began).total_seconds(), 1),
        "quick": quick,
        "machine": found,
        "measurements": results.as_json(outcomes),
    }
    kept = folder / f"{began:%Y%m%dT%H%M%SZ}.json"
    for path in (kept, folder / "latest.json"):
        path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return kept
