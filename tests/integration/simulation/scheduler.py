"""Processes that take turns by a clock of their own: nothing else decides which one runs when.

What is simulated runs as it is, in a thread; but only one has its turn, until it waits. Then the
clock jumps to whoever is to go on next. So a run is the same each time, and hours of it take as
long as the work that is done in them.
"""

from __future__ import annotations

import heapq
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Generic, TypeVar

from tests.integration.audioapi.faults import DeadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


def _nothing() -> None:
    """There is nothing to put back."""


@dataclass(eq=False)
class Process:
    """`clock_off` are the seconds that its clock is ahead. `at_end` is called when it is over,
    however that came. `kept` takes down what others change while it waits, and gives what puts it
    back. `alone`, it keeps its turn while it waits.
    """

    name: str
    work: Callable[[], object]
    clock_off: float
    at_end: Callable[[], object]
    calls: int = 0
    dead: bool = False
    ended: bool = False
    alone: bool = False
    error: Exception | None = None
    kept: Callable[[], Callable[[], object]] = lambda: _nothing
    wake: int = 0
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


class Scheduler:
    """`now` is in seconds since the epoch."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.current: Process | None = None
        self._numbers = count()
        self._due: list[tuple[float, int, Process, int]] = []
        self._back = threading.Semaphore(0)

    def spawn(
        self,
        name: str,
        work: Callable[[], object],
        *,
        after: float = 0.0,
        clock_off: float = 0.0,
        at_end: Callable[[], object] = lambda: None,
    ) -> Process:
        """Begins in `after` seconds."""
        process = Process(name, work, clock_off, at_end)
        threading.Thread(target=self._live, args=(process,), daemon=True).start()
        self._wake(process, after)
        return process

    def run(self) -> None:
        """Until every process is over."""
        while self._due:
            at, _, process, wake = heapq.heappop(self._due)
            if process.wake == wake and not process.ended:
                self.now = max(self.now, at)
                self._give_turn(process)

    def sleep(self, seconds: float) -> None:
        """The current process's; others have their turns meanwhile."""
        process = self._running()
        if process.alone:
            self.now += seconds
            return
        self._wake(process, seconds)
        self._pause(process)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """The current process has locks: nobody else has a turn, who might wait for them."""
        process = self._running()
        process.alone = True
        try:
            yield
        finally:
            process.alone = False

    def kill(self, process: Process) -> None:
        """It does nothing any more, and who watches it knows at once."""
        if process.dead or process.ended:
            return
        process.dead = True
        process.at_end()
        if process is self.current:
            raise DeadError(process.name)
        self._wake(process, 0.0)

    def _running(self) -> Process:
        assert self.current
        if self.current.dead:
            raise DeadError(self.current.name)
        return self.current

    def _wake(self, process: Process, after: float) -> None:
        process.wake += 1
        heapq.heappush(self._due, (self.now + after, next(self._numbers), process, process.wake))

    def _pause(self, process: Process) -> None:
        put_back = process.kept()
        self._back.release()
        process.turn.acquire()
        if process.dead:
            raise DeadError(process.name)
        put_back()

    def _give_turn(self, process: Process) -> None:
        self.current = process
        process.turn.release()
        self._back.acquire()
        self.current = None

    def _live(self, process: Process) -> None:
        process.turn.acquire()
        try:
            if not process.dead:
                process.work()
        except DeadError:
            pass
        except Exception as error:  # noqa: BLE001 - it is for who watches it
            process.error = error
        process.ended = True
        if not process.dead:
            process.at_end()
        self._back.release()


class Inbox(Generic[T]):
    """What comes for one process."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._items: list[T] = []
        self._waiting: Process | None = None

    def put(self, item: T) -> None:
        self._items.append(item)
        if self._waiting:
            self._scheduler._wake(self._waiting, 0.0)

    def get(self, within: float) -> T | None:
        """The next one; None if none comes within so many seconds."""
        if not self._items:
            self._waiting = self._scheduler._running()
            self._scheduler.sleep(within)
            self._waiting = None
        return self._items.pop(0) if self._items else None
