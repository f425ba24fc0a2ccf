"""The command line of the bench: `python -m tests.bench`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from tests.bench import (
    ack_latency,
    analysis,
    aws_calls,
    cold_start,
    finishing,
    library,
    local_services,
    parallel,
    processing,
    published,
    results,
    runner,
    snapshots,
    windows,
)
from tests.bench.bench import ROOT, Bench
from tests.bench.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.results import Outcome

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
        snapshots,
        local_services,
        parallel,
    )
}
_WIDTH = 150


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 1 if a measurement failed, whatever the targets."""
    options = parser().parse_args(arguments)
    screen = Console(stderr=True, highlight=False, soft_wrap=True)
    kept = Kept(options.folder, datetime.now(UTC), quick=options.quick)
    chosen = [MEASUREMENTS[name] for name in dict.fromkeys(options.only or MEASUREMENTS)]
    outcomes: list[Outcome] = []
    interrupted = False
    try:
        with Bench(screen, options.folder, quick=options.quick) as bench:
            for outcome in runner.run(chosen, bench, screen, kept):
                outcomes.append(outcome)
                show(outcome)
    except KeyboardInterrupt:
        interrupted = True
        screen.print("Interrupted; nothing is left running")
    if outcomes:
        summarise(outcomes, screen)
        screen.print(f"Kept in {kept.run} and {kept.latest}")
    if interrupted:
        return INTERRUPTED
    return FAILED if any(outcome.error for outcome in outcomes) else OK


def show(outcome: Outcome) -> None:
    out = Console(highlight=False)
    if not out.is_terminal:
        out.width = _WIDTH
    out.print(results.table(outcome))
    out.print(Text(outcome.note, "dim"))
    out.print()


def summarise(outcomes: Sequence[Outcome], screen: Console) -> None:
    figures = [figure for outcome in outcomes for figure in outcome.figures if figure.target]
    missed = [figure for figure in figures if not figure.met]
    if figures:
        screen.print(f"{len(figures) - len(missed)} of {len(figures)} targets met")
    for figure in missed:
        screen.print(f"  missed: {figure.name}, {results.number(figure.value)} ({figure.target})")


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
        help="do just these measurements (default: all, on two processors some "
        f"{sum(each.seconds for each in MEASUREMENTS.values()) / 60:.0f} minutes)",
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
        help="where the JSON goes as each measurement ends, latest.json and a file named after\n"
        "the time, and what takes disk meanwhile (default: .bench)",
    )
    return parser
