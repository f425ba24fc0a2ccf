"""The calls of a process to AWS and to its database, of which one may be its last."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event

from audioapi import objects, queues, tables
from tests.integration.audioapi.faults import BrokenError, DeadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SQL = "SQL"


@dataclass
class Calls:
    """Counts calls; the one of number `fatal` never gets there."""

    fatal: int | None = None
    dies: bool = True
    count: int = 0
    dead: bool = False
    names: list[str] = field(default_factory=list)

    def __call__(self, name: str) -> None:
        if self.dead:
            raise DeadError
        self.count += 1
        self.names.append(name)
        if self.count == self.fatal:
            self.dead = self.dies
            raise (DeadError if self.dies else BrokenError)(name)


@dataclass
class Wire:
    """What all that leaves the process goes through."""

    calls: Calls = field(default_factory=Calls)

    def aws(self, model: Any, **_: object) -> None:
        self.calls(model.name)

    def sql(self, *_: object) -> None:
        self.calls(SQL)

    def survived(self, work: Callable[[], object], *, fatal: int | None, dies: bool) -> bool:
        """Whether `work` came to its end without the fatal call, which is counted from here."""
        calls = self.calls = Calls(fatal, dies)
        with suppress(DeadError, BrokenError):
            work()
        survived = fatal is None or calls.count < fatal
        calls.fatal, calls.dead = None, False
        return survived


@contextmanager
def tapped() -> Iterator[Wire]:
    """Clients are the tests' own; engines are everybody's."""
    wire = Wire()
    for client in (objects.client(), tables.client(), queues.client()):
        client.meta.events.register_first("before-call", wire.aws)
    for name in ("before_cursor_execute", "commit"):
        event.listen(Engine, name, wire.sql)
    try:
        yield wire
    finally:
        for name in ("before_cursor_execute", "commit"):
            event.remove(Engine, name, wire.sql)
