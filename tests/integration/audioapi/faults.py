"""A process that dies at a call to AWS or to its database, a call that fails, or one whose answer
is lost: in `make test` at one call of each kind, in `make soak` at every call.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event

import audioapi
from audioapi import objects, queues, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from types import FrameType

    from tests.soak import Soak

COMMIT = "SQL COMMIT"
_READING = ("Get", "Query", "Head", "List", "SQL SELECT")
_OURS = str(Path(audioapi.__path__[0]))
Kind = tuple[str, ...]
"""A call's name, and the functions that led to it, the innermost first."""


class Fault(Enum):
    DEATH = "death"
    FAILURE = "failure"
    LOST_ANSWER = "lost answer"


class DeadError(BaseException):
    """The process is gone: nothing catches it, and nothing is called any more."""


def die(*_: object, **__: object) -> Any:
    """In place of what a process doesn't come to."""
    raise DeadError


class BrokenError(Exception):
    """A service is away for one call, or its answer is."""


@dataclass
class Calls:
    """The calls that leave the process, by kind, in order. Something happens to the `fatal` one: of
    that number, or the first of that kind.

    Death before a call that reads is death before the next one that writes, and an answer that was
    lost is a failure if nothing was written: only for failures, calls that read count too.
    """

    fault: Fault = Fault.FAILURE
    fatal: int | Kind | None = None
    kinds: list[Kind] = field(default_factory=list)
    struck: Kind | None = None
    dead: bool = False

    @property
    def names(self) -> list[str]:
        return [kind[0] for kind in self.kinds]

    def before(self, name: str) -> None:
        if self.dead:
            raise DeadError
        if self.fault is not Fault.FAILURE and name.startswith(_READING):
            return
        self.kinds.append(kind := (name, *_path()))
        if self.struck or self.fatal not in (len(self.kinds), kind):
            return
        self.struck = kind
        if self.fault is Fault.DEATH:
            self.dead = True
            raise DeadError(name)
        if self.fault is Fault.FAILURE:
            raise BrokenError(name)

    def after(self, name: str) -> None:
        if self.fault is Fault.LOST_ANSWER and self.struck == (name, *_path()):
            self.struck = (*self.struck, "lost")  # it is once only
            raise BrokenError(name)


def each_in_turn(undisturbed: Calls, soak: Soak, *, done: Collection[Kind] = ()) -> Iterator[Calls]:
    """Calls to be made again, each time with something else happening to one of them; in `make
    test` to none of a kind that is `done`.
    """
    every = len(undisturbed.kinds)
    assert every > 3
    first_of_each_kind = [kind for kind in dict.fromkeys(undisturbed.kinds) if kind not in done]
    soak.count("calls", len(first_of_each_kind), every)
    for fatal in range(1, every + 1) if soak.seconds else first_of_each_kind:
        yield (calls := Calls(undisturbed.fault, fatal))
        assert calls.struck or soak.seconds, f"{fatal} didn't come again"


@dataclass
class Wire:
    """What leaves the process goes through it, and is counted while somebody watches."""

    calls: Calls | None = None

    def before(self, model: Any, **_: object) -> None:
        if self.calls:
            self.calls.before(model.name)

    def after(self, model: Any, **_: object) -> None:
        if self.calls:
            self.calls.after(model.name)

    def statement(self, _: Any, __: Any, statement: str, *___: object) -> None:
        if self.calls:
            self.calls.before(f"SQL {statement.split(maxsplit=1)[0]}")

    def commit(self, _: Any) -> None:
        if self.calls:
            self.calls.before(COMMIT)

    @contextmanager
    def watched(self, calls: Calls) -> Iterator[None]:
        """One process's life, whose calls are `calls`."""
        self.calls, calls.dead = calls, False
        try:
            with suppress(DeadError, BrokenError):
                yield
        finally:
            self.calls = None

    def survived(self, work: Callable[[], object], calls: Calls) -> bool:
        """Whether `work` was done without anything happening to it."""
        with self.watched(calls):
            work()
        return calls.struck is None


@contextmanager
def tapped() -> Iterator[Wire]:
    """Clients are the test's own (`own_clients`); engines are everybody's."""
    wire = Wire()
    for client in (objects.client(), tables.client(), queues.client()):
        client.meta.events.register_first("before-call", wire.before)
        client.meta.events.register_first("after-call", wire.after)
    event.listen(Engine, "before_cursor_execute", wire.statement)
    event.listen(Engine, "commit", wire.commit)
    try:
        yield wire
    finally:
        event.remove(Engine, "before_cursor_execute", wire.statement)
        event.remove(Engine, "commit", wire.commit)


def _path() -> Iterator[str]:
    frame: FrameType | None = sys._getframe(1)
    while frame:
        if frame.f_code.co_filename.startswith(_OURS):
            yield frame.f_code.co_qualname
        frame = frame.f_back
