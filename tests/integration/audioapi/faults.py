"""A process that dies at a call to AWS, a call that fails, or one whose answer is lost."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


_READING = ("Get", "Query", "Head", "List")


class Fault(Enum):
    DEATH = "death"
    FAILURE = "failure"
    LOST_ANSWER = "lost answer"


class DeadError(BaseException):
    """The process is gone: nothing catches it, and nothing is called any more."""


class BrokenError(Exception):
    """A service is away for one call, or its answer is."""


@dataclass
class Calls:
    """Counts the calls that leave the process; something happens to the one of number `fatal`.

    Death before a call that reads is death before the next one that writes, and an answer that was
    lost is a failure if nothing was written: only for failures, calls that read count too.
    """

    fatal: int | None = None
    fault: Fault = Fault.DEATH
    count: int = 0
    dead: bool = False
    names: list[str] = field(default_factory=list)

    def before(self, model: Any, **_: object) -> None:
        if self.dead:
            raise DeadError
        if self.fault is not Fault.FAILURE and model.name.startswith(_READING):
            return
        self.count += 1
        self.names.append(model.name)
        if self.count == self.fatal and self.fault is Fault.DEATH:
            self.dead = True
            raise DeadError(model.name)
        if self.count == self.fatal and self.fault is Fault.FAILURE:
            raise BrokenError(model.name)

    def after(self, model: Any, **_: object) -> None:
        lost = self.fault is Fault.LOST_ANSWER and not model.name.startswith(_READING)
        if self.count == self.fatal and lost:
            self.fatal = None
            raise BrokenError(model.name)


@contextmanager
def counted(calls: Calls, *clients: Any) -> Iterator[None]:
    """What the clients call in the block goes through `calls`."""
    handlers = ("before-call", calls.before), ("after-call", calls.after)
    for client in clients:
        for event, handler in handlers:
            client.meta.events.register_first(event, handler)
    try:
        yield
    finally:
        for client in clients:
            for event, handler in handlers:
                client.meta.events.unregister(event, handler)
