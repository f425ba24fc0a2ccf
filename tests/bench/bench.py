"""What measurements share: a folder, a running stack, and a way to say how far they are."""

from __future__ import annotations

import signal
import tempfile
import time
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
    TimeRemainingColumn,
)

from local.services import clients
from tests.bench.services import Services, running
from tests.e2e.stack import STOP_SECONDS, Stack, ready, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from rich.console import Console

    from tests.bench.results import Figure

ROOT = Path(__file__).parents[2]
_STACK = (
    "--no-watch",  # a change of the code would be measured as a cold start
    "--quiet",
    *("--parameter", "MaxConcurrentSessions=1000"),
    *("--parameter", "Transcriber=none"),  # to hear words takes longer than all the rest
)
_SAY_EVERY = 30.0
"""Seconds."""
_LOOK_EVERY = 0.5
_COUNTS: list[QueueAttributeNameType] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
]


@dataclass(frozen=True)
class Measurement:
    """`title` is for --help; `seconds` is about how long it takes on two processors; `note` says
    what the figures hold, and what they leave out.
    """

    name: str
    title: str
    seconds: float
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

    def settle(self) -> None:
        """Until the stack has done whatever the last sessions have left in its queues: it would be
        in the way of what is measured next.
        """
        sqs = clients.connect(self.stack.aws_endpoint_url).sqs
        queues = sqs.list_queues()["QueueUrls"]
        while any(_messages(sqs, queue) for queue in queues):
            time.sleep(_LOOK_EVERY)

    @cached_property
    def services(self) -> Services:
        """AWS's services and a PostgreSQL without a stack, started when first asked for."""
        with self.progress("starting services", 1) as done:
            services = self._up.enter_context(running(self.folder / "services"))
            done()
        return services

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        """A bar in a terminal, a line now and then elsewhere; the block calls back for each of
        `total`.
        """
        if not self._screen.is_terminal:
            yield self._lines(what, total)
            return
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._screen, transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda: bar.advance(task)

    def _lines(self, what: str, total: int) -> Callable[[], None]:
        count, said = 0, time.monotonic()
        self._screen.print(f"  {what} …")

        def done() -> None:
            nonlocal count, said
            count += 1
            if time.monotonic() - said > _SAY_EVERY:
                said = time.monotonic()
                self._screen.print(f"  {what}: {count:,} of {total:,}")

        return done


def _messages(sqs: SQSClient, queue: str) -> int:
    """Waiting, put off and being worked on."""
    told = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=_COUNTS)["Attributes"]
    return sum(int(told[count]) for count in _COUNTS)


@contextmanager
def _running(state: Path) -> Iterator[Stack]:
    """However it ends: a Ctrl-C reaches the stack too, and may do so while it starts."""
    process = start(state, *_STACK)
    try:
        yield ready(process, state)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)
