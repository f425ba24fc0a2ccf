"""Reads the functions' logs the way `sam logs` reads CloudWatch's: by function, time and text."""

from __future__ import annotations

import argparse
import heapq
import json
import re
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from local.runtime.logs import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

LOOK_EVERY = 0.2  # seconds
_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SAID = (
    "level",
    "message",
    "timestamp",
    "time",
    "function",
    "service",
    "location",
    "type",
    "record",
)
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class LogsError(Exception):
    """There is no such log; the message says which there are."""


@dataclass(frozen=True, order=True)
class Line:
    """One line of a log. Without a time of its own it has that of the line before."""

    at: datetime
    function: str
    text: str


@dataclass(frozen=True)
class Wanted:
    """What is shown: lines from `since` on that hold `text`; metrics only as they are kept."""

    since: datetime = _BEGINNING
    text: str = ""
    raw: bool = False

    def shows(self, line: Line) -> bool:
        hidden = not self.raw and METRICS.strip("{") in line.text
        return line.at >= self.since and self.text in line.text and not hidden

    def shown(self, line: Line) -> str:
        return line.text if self.raw else readable(line)


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("functions", nargs="*", metavar="FUNCTION", help="its logical id; all, if none is given")
    add("--follow", "-f", action="store_true", help="go on with what is written, until Ctrl-C")
    add("--since", type=ago, metavar="TIME", help="10s, 5m, 2h, 1d ago, or an ISO 8601 time")
    add(
        "--filter",
        default="",
        metavar="TEXT",
        help="only lines that hold TEXT, such as a request_id",
    )
    add("--json", action="store_true", help="the lines as they are kept, metrics too")


def ago(given: str) -> datetime:
    """The time that was `given` ago, or that it is."""
    if match := _AGO.fullmatch(given):
        return datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        found = datetime.fromisoformat(given)
    except ValueError as error:
        wanted = f"{given!r} is neither 10s, 5m, 2h or 1d nor an ISO 8601 time"
        raise argparse.ArgumentTypeError(wanted) from error
    return found if found.tzinfo else found.astimezone()


def run(options: argparse.Namespace) -> None:
    """Raises LogsError."""
    folder = options.state / "logs"
    wanted = Wanted(options.since or _BEGINNING, options.filter, options.json)
    read = show(folder, options.functions, wanted, write)
    if options.follow:
        follow(folder, options.functions, wanted, write, read)


def write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def show(
    folder: Path, functions: Sequence[str], wanted: Wanted, write: Callable[[str], None]
) -> dict[Path, int]:
    """Writes what the logs hold, in the order of time; how far each was read, in bytes."""
    read = dict.fromkeys(chosen(folder, functions), 0)
    for line in heapq.merge(*(lines(path, read) for path in list(read))):
        if wanted.shows(line):
            write(wanted.shown(line))
    return read


def follow(
    folder: Path,
    functions: Sequence[str],
    wanted: Wanted,
    write: Callable[[str], None],
    read: dict[Path, int],
) -> None:
    """The same for what is written from now on, for ever; a log may also begin to be there."""
    while True:
        time.sleep(LOOK_EVERY)
        for path in sorted(folder.glob("*.log")):
            if not functions or path.stem in functions:
                read.setdefault(path, 0)
        for line in sorted(line for path in read for line in lines(path, read)):
            if wanted.shows(line):
                write(wanted.shown(line))


def chosen(folder: Path, functions: Sequence[str]) -> list[Path]:
    """The logs of these functions, or of all. Raises LogsError for one that isn't there."""
    there = {path.stem: path for path in sorted(folder.glob("*Function.log"))}
    if not there:
        raise LogsError(f"No logs in {folder}; make run writes them")
    if unknown := [name for name in functions if name not in there]:
        raise LogsError(f"{unknown[0]} has no log; these have: {', '.join(there)}")
    return [there[name] for name in functions or there]


def lines(path: Path, read: dict[Path, int]) -> Iterator[Line]:
    """Whole lines behind what was read; a file that was begun anew is read from its start."""
    if path.stat().st_size < read[path]:
        read[path] = 0
    with path.open("rb") as file:
        file.seek(read[path])
        at = _BEGINNING
        for line in file:
            if not line.endswith(b"\n"):
                return  # it is being written
            read[path] += len(line)
            text = line.decode("utf-8", errors="replace").rstrip("\n")
            at = written_at(text) or at
            yield Line(at, path.stem, text)


def written_at(text: str) -> datetime | None:
    try:
        entry = json.loads(text)
        if told := entry.get("time") or entry.get("timestamp"):
            return datetime.fromisoformat(told)
        return datetime.fromtimestamp(entry["_aws"]["Timestamp"] / 1000, UTC)
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


def readable(line: Line) -> str:
    """Time, function, and what is said, with the fields that say it exactly."""
    entry = json.loads(line.text)
    at = line.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
    return f"{at} {line.function} {' '.join(_said(entry))}"


def _said(entry: dict[str, Any]) -> Iterable[str]:
    if "record" in entry:
        record = entry["record"]
        metrics = record.get("metrics", {})
        yield entry["type"].removeprefix("platform.").upper()
        yield from _pairs({"request": record.get("requestId"), **metrics})
        if (status := record.get("status", "success")) != "success":
            yield f"status={status}"
        return
    yield str(entry.get("level", "INFO"))
    yield str(entry.get("message", ""))
    yield from _pairs({name: value for name, value in entry.items() if name not in _SAID})


def _pairs(fields: dict[str, Any]) -> Iterator[str]:
    for name, value in fields.items():
        if value is not None and value != "":
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"\n{text}" if "\n" in text else f"{name}={text}"
