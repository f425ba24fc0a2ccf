"""The command line of the bench: `python -m tests.bench`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tests.bench import (
    ack_latency,
    analysis,
    aws_calls,
    cold_start,
    finishing,
    library,
    parallel,
    processing,
    published,
    results,
    runner,
    windows,
)
from tests.bench.bench import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

OK, FAILED, INTERRUPTED = 0, 1, 130  # 130 as a shell tells of SIGINT
MEASUREMENTS = {
    module.MEASUREMENT.name: module.MEASUREMENT
    for module in (
        ack_latency,
        windows,
        finishing,
        published,
        processing,
        library,
        analysis,
        aws_calls,
        cold_start,
        parallel,
    )
}
_WIDTH = 150


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 1 if a measurement failed, whatever the targets."""
    options = parser().parse_args(arguments)
    screen = Console(stderr=True)
    began = datetime.now(UTC)
    chosen = [MEASUREMENTS[name] for name in dict.fromkeys(options.only or MEASUREMENTS)]
    try:
        found = runner.machine()
        outcomes = runner.run(chosen, screen, options.folder, quick=options.quick)
    except KeyboardInterrupt:
        screen.print("Interrupted; nothing is left running, and nothing was kept")
        return INTERRUPTED
    kept = runner.keep(outcomes, options.folder, began, found, quick=options.quick)
    show(outcomes)
    screen.print(f"Kept in {kept}", highlight=False, soft_wrap=True)
    return FAILED if any(outcome.error for outcome in outcomes) else OK


def show(outcomes: Sequence[results.Outcome]) -> None:
    out = Console(highlight=False)
    if not out.is_terminal:
        out.width = _WIDTH
    out.print(results.table(outcomes))
    for outcome in outcomes:
        out.print(f"[bold]{outcome.name}[/bold]: {outcome.note}")


def parser() -> argparse.ArgumentParser:
    width = max(map(len, MEASUREMENTS))
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measures streaming, processing, the library and analysis on this machine.\n"
        "Every figure is a ratio within the run or a count, so that a slow or busy machine tells\n"
        "the same; the table and its JSON name the targets, and whether they are met.",
        epilog="measurements:\n"
        + "\n".join(f"  {name:<{width}}  {each.title}" for name, each in MEASUREMENTS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=MEASUREMENTS,
        metavar="NAME",
        help="do just these measurements (default: all, some 20 minutes on two processors)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a minute for all of them, with so little data that the figures mean nothing",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=ROOT / ".bench",
        help="where the JSON goes, latest.json and a file named after the time, and what takes\n"
        "disk meanwhile (default: .bench)",
    )
    return parser
