"""One run by a seed: families of the API are used, everything that can happen to them happens, and
when all is quiet again what was promised has to hold.
"""

from __future__ import annotations

import datetime as dt
import random
import time
import uuid
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

from aws_lambda_powertools.utilities.idempotency import base as idempotency
from aws_lambda_powertools.utilities.idempotency.persistence import base, datarecord, dynamodb

from audioapi import clock, objects, observe, queues
from audioapi.streaming import store
from tests.integration.simulation.functions import Functions, Queues, Source
from tests.integration.simulation.network import Network, Plan, Struck
from tests.integration.simulation.scheduler import Process, Scheduler

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    import pytest

    from local.template.model import Stack

BEGAN = 1_800_000_000.0
_QUIET_AFTER = 300.0
"""Seconds after which nothing is disturbed any more."""
_SWEEP_EVERY, _MOST_SWEEPS = 60.0, 30


@dataclass
class Outcome:
    """What was wrong at the end, and what had happened on the way."""

    seed: int
    wrong: list[str]
    struck: list[Struck]
    counts: dict[str, int] = field(default_factory=dict)

    def story(self) -> str:
        first = {str(each): each.at for each in reversed(self.struck)}
        lines = [f"{at:8.2f} s  {what}" for what, at in sorted(first.items(), key=lambda it: it[1])]
        return "\n".join(
            [f"Seed {self.seed}", *lines, *(f"   wrong  {each}" for each in self.wrong)]
        )


class AtOnce(Executor):
    """In place of a pool of threads: what is submitted is done."""

    def __init__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*given, **named))
        except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
            done.set_exception(error)
        return done


class Family(ABC):
    """One part of the API, and those who use it."""

    @abstractmethod
    def patch(self, patch: pytest.MonkeyPatch) -> None:
        """Puts what is simulated in place of what isn't there."""

    def sources(self) -> Iterable[Source]:
        """The queues whose messages are delivered."""
        return ()

    @abstractmethod
    def begin(self) -> Iterable[Process]:
        """Its users, who begin now."""

    @abstractmethod
    def try_again(self) -> None:
        """What a patient owner does when all is quiet."""

    def open(self) -> bool:
        """Whether something is still to be swept."""
        return False

    @abstractmethod
    def wrong(self) -> Iterator[str]:
        """What doesn't hold at the end."""


class World:
    """Everything of one run."""

    def __init__(self, stack: Stack, plan: Plan) -> None:
        self.plan = plan
        self.scheduler = Scheduler(BEGAN)
        plan.began = BEGAN
        self.network = Network(self.scheduler, plan)
        self.functions = Functions(stack, self.scheduler, plan)
        self.queues = Queues(self.scheduler, plan, self.functions)
        self.network.answers = {"sqs": self.queues.answer}
        self.families: list[Family] = []

    def add(self, family: Family) -> None:
        self.families.append(family)
        self.queues.sources |= {source.queue: source for source in family.sources()}

    def run(self) -> None:
        processes = [process for family in self.families for process in family.begin()]
        self.scheduler.spawn("schedule", self._sweep)
        self.scheduler.spawn("quiet", self._be_quiet, after=_QUIET_AFTER)
        self.scheduler.run()
        processes += [self.scheduler.spawn("owners", family.try_again) for family in self.families]
        self.scheduler.run()
        for process in processes:
            if process.error:
                raise process.error

    def _sweep(self) -> None:
        """As often as the template has it, until nothing is left to be swept."""
        for number in range(1, _MOST_SWEEPS + 1):
            self.scheduler.sleep(_SWEEP_EVERY)
            time_of_it = clock.iso_ms(round(1000 * self.scheduler.now))
            self.functions.invoke("stream_sweep", f"sweep {number}", {"time": time_of_it})
            if self.plan.over and not any(family.open() for family in self.families):
                return

    def _be_quiet(self) -> None:
        self.plan.over = True

    def wrong(self) -> Iterator[str]:
        for family in self.families:
            yield from family.wrong()


Families = Sequence[Callable[[World], Family]]


def simulate(
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
    families: Families,
    seed: int,
    only: Collection[str] | None = None,
) -> Outcome:
    """A run; `only` are the causes of trouble that come into their own, None: all."""
    plan = Plan(seed, only)
    world = World(stack, plan)
    for family in families:
        world.add(family(world))
    with simulated(world, monkeypatch, seed):
        world.run()
        wrong = list(world.wrong())
    counts = {
        "calls": world.network.calls,
        "invocations": world.functions.invocations,
        **Counter(each.trouble.name.lower().replace("_", " ") for each in plan.struck),
    }
    return Outcome(seed, wrong, plan.struck, counts)


def _powertools_clock(now: Callable[[], float]) -> SimpleNamespace:
    """In place of the module `datetime`, as far as Powertools' idempotency uses it."""

    class Moment(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Self:
            return cls.fromtimestamp(now(), tz)

    return SimpleNamespace(datetime=Moment, timedelta=dt.timedelta, date=dt.date, time=dt.time)


@contextmanager
def simulated(world: World, monkeypatch: pytest.MonkeyPatch, seed: int) -> Iterator[None]:
    """Time, threads and what lies outside are the simulation's."""
    scheduler = world.scheduler
    chance = random.Random(f"{seed} ids")

    def now_ns() -> int:
        process: Process | None = scheduler.current
        return round(1e9 * (scheduler.now + (process.clock_off if process else 0.0)))

    store.connection.cache_clear()
    random.seed(seed)  # the SDK's pauses
    with monkeypatch.context() as patch:
        world.network.open(patch)
        patch.setattr(clock, "time", SimpleNamespace(time_ns=now_ns))
        for module in (idempotency, base, datarecord, dynamodb):
            patch.setattr(module, "dt", _powertools_clock(lambda: now_ns() / 1e9))
        patch.setattr(time, "sleep", scheduler.sleep)
        patch.setattr(time, "monotonic", lambda: scheduler.now)
        patch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=chance.getrandbits(128), version=4))
        patch.setattr(objects, "ThreadPoolExecutor", AtOnce)
        for family in world.families:
            family.patch(patch)
        patch.setattr(queues, "held", lambda *_, **__: nullcontext())
        patch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
        level = observe.logger.log_level
        observe.logger.setLevel("CRITICAL")
        try:
            yield
        finally:
            observe.logger.setLevel(level)
