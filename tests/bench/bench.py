"""What measurements share: a folder, a running stack, and a way to say how far they are."""

from __future__ import annotations

import signal
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from tests.e2e.stack import STOP_SECONDS, Stack, ready, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from rich.console import Console

    from tests.bench.results import Figure

ROOT = Path(__file__).parents[2]
_STACK = (
    "--no-watch",  # a change of the code would be measured as a cold start
    "--quiet",
    *("--parameter", "MaxConcurrentSessions=1000"),
)


@dataclass(frozen=True)
class Measurement:
    """`title` is for --help; `note` says what the figures hold, and what they leave out."""

    name: str
    title: str
    note: str
    measure: Callable[[Bench], Iterator[Figure]]


class Bench:
    """A context manager: the stack that a measurement may have asked for is gone at its end.

    `quick` asks for so little that a run proves nothing but that it works.
    """

    def __init__(self, screen: Console, home: Path, *, quick: bool) -> None:
        self.quick = quick
        self._screen = screen
        self._home = home
        self._up = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._up.close()

    @cached_property
    def folder(self) -> Path:
        """For what takes disk, a few GB of it. Not in /tmp, which may be memory."""
        self._home.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix="run-", dir=self._home)
        return Path(self._up.enter_context(made))

    @cached_property
    def kept(self) -> Path:
        """For what takes long to make, and is the same at every run."""
        kept = self._home / "kept"
        kept.mkdir(parents=True, exist_ok=True)
        return kept

    @cached_property
    def stack(self) -> Stack:
        """The local stack in a process of its own, on a free port, started when first asked for."""
        state = self.folder / "stack"
        state.mkdir()
        with self.progress("starting the stack", 1) as done:
            stack = self._up.enter_context(_running(state))
            done()
        return stack

    @contextmanager
    def progress(self, what: str, total: float) -> Iterator[Callable[[], None]]:
        """A bar in a terminal, two lines elsewhere; the block calls back for each of `total`."""
        if not self._screen.is_terminal:
            self._screen.print(f"  {what} …", highlight=False, soft_wrap=True)
            yield lambda: None
            return
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._screen, transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda: bar.advance(task)


@contextmanager
def _running(state: Path) -> Iterator[Stack]:
    """However it ends: a Ctrl-C reaches the stack too, and may do so while it starts."""
    process = start(state, *_STACK)
    try:
        yield ready(process, state)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)
