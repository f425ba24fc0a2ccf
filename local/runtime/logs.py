"""What functions print and how their invocations went, in JSON lines as CloudWatch keeps them."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

LINE_LIMIT = 256 * 1024
"""Bytes of one line, as many as CloudWatch keeps of a log event."""
READ_SIZE = 64 * 1024


METRICS = '{"_aws":'
"""How lines in CloudWatch's embedded metric format begin: they are for machines."""


class Logs:
    """A file per function, `<state>/logs/<Function>.log`, which gets everything, and the console.

    The console, if there is one, gets what functions print and the reports of what went wrong: a
    start and a report of each successful invocation would bury them.
    """

    def __init__(self, state: Path, console: TextIO | None = sys.stdout) -> None:
        self._folder = state / "logs"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._console = console
        self._files: dict[str, TextIO] = {}

    async def follow(self, function: str, output: asyncio.StreamReader) -> None:
        """Write down what a process prints until it, and whoever shares its output, has ended."""
        lines = Lines()
        while data := await output.read(READ_SIZE):
            for line in lines.feed(data):
                self.line(function, line)
        for line in lines.rest():
            self.line(function, line)

    def line(self, function: str, line: str) -> None:
        """A line that a function printed; one that is no JSON object becomes a message."""
        if line.strip():
            entry = labelled(function, line) or wrapped(function, line)
            self._write(function, entry, loud=not line.startswith(METRICS))

    def platform(self, function: str, event: str, record: Mapping[str, Any]) -> None:
        """What the platform says: `event` is `start` or `report`, `record` as AWS fills it.

        https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
        """
        entry = {
            "time": now(),
            "type": f"platform.{event}",
            "function": function,
            "record": record,
        }
        loud = record.get("status", "success") != "success"
        self._write(function, json.dumps(entry, ensure_ascii=False), loud=loud)

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self, function: str, entry: str, *, loud: bool) -> None:
        self._file(function).write(entry + "\n")
        if loud and self._console is not None:
            self._console.write(entry + "\n")
            self._console.flush()

    def _file(self, function: str) -> TextIO:
        if function not in self._files:
            path = self._folder / f"{function}.log"
            self._files[function] = path.open("a", encoding="utf-8", buffering=1)
        return self._files[function]


class Lines:
    """Cuts a stream of bytes into lines, and a line where it grows too long."""

    def __init__(self) -> None:
        self._held = b""
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[str]:
        *complete, self._held = (self._held + data).split(b"\n")
        for line in complete:
            if not self._skipping:
                yield shortened(line)
            self._skipping = False
        if self._skipping:
            self._held = b""
        elif len(self._held) > LINE_LIMIT:
            yield shortened(self._held)
            self._held = b""
            self._skipping = True

    def rest(self) -> Iterator[str]:
        """The last line, which nothing ended."""
        yield from self.feed(b"\n")


def shortened(line: bytes) -> str:
    kept = line[:LINE_LIMIT].decode("utf-8", errors="replace").rstrip("\r")
    return kept if len(line) <= LINE_LIMIT else f"{kept} [cut after {LINE_LIMIT} bytes]"


def labelled(function: str, line: str) -> str | None:
    """`line` with the function's name in it, if it is a JSON object.

    The name is put in front of the text as it is: decoding and encoding it would change numbers,
    repeated keys and lone surrogates.
    """
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    if "function" in entry:
        return line
    members = line.strip()[1:].lstrip()
    return f'{{"function": {json.dumps(function)}{", " if entry else ""}{members}'


def wrapped(function: str, line: str) -> str:
    entry = {"timestamp": now(), "level": "INFO", "function": function, "message": line}
    return json.dumps(entry, ensure_ascii=False)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
