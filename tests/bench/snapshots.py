"""What the start of an environment takes that is forked from a snapshot, over a bare Python's."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
from collections import defaultdict
from contextlib import asynccontextmanager
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import psutil

from local.processes.supervisor import Supervisor
from local.runtime.functions import Functions
from local.runtime.logs import Logs
from local.runtime.snapshot import POSSIBLE
from local.stack.stack import environment as credentials
from local.template.account import REGION
from tests.bench import services
from tests.bench.bench import ROOT, Bench, Measurement
from tests.bench.results import Figure, at_most
from tests.bench.timing import Cost, cpu_seconds, timed
from tests.patience import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from local.template.model import Function

    Run = Callable[..., AbstractAsyncContextManager["Environments"]]

_NO_RECORDS: Mapping[str, Any] = {"Records": []}
_WORKER = "JobsWorkerFunction"
_LATER = 3
"""How many environments start in each round after the first one."""
_TOGETHER = 20
_MB = 1024**2


def _event(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return event


def _events() -> dict[str, Mapping[str, Any]]:
    """Functions of each kind, and a call of each that is over at once: without work, without a key,
    without a connection.
    """
    return {
        _WORKER: _NO_RECORDS,
        "LiveWorkerFunction": _NO_RECORDS,
        "LibraryListFunction": {**_event("library_list"), "headers": {}},
        "StreamMessageFunction": {},
    }


class Environments:
    """Of one function, whose every call is the same."""

    def __init__(
        self, functions: Functions, name: str, event: Mapping[str, Any], starts: Starts
    ) -> None:
        self._functions = functions
        self._name = name
        self._event = event
        self._starts = starts

    async def start(self) -> Cost:
        """A new one in place of those there are: seconds until it takes calls, and of processors
        until it has answered the first.
        """
        for pid in self._functions.pids(self._name):
            os.kill(pid, signal.SIGKILL)
        await until_async(lambda: not self._functions.pids(self._name))
        before = self._snapshot_cpu()
        await self._functions.invoke(self._name, self._event)
        [pid] = self._functions.pids(self._name)
        return Cost(self._starts.ready.pop(), cpu_seconds(pid) + self._snapshot_cpu() - before)

    async def memory(self, count: int) -> float:
        """MB of so many and of their snapshot, what they share divided among them."""
        while len(self._starts.ready) < count:
            calls = (self._functions.invoke(self._name, self._event) for _ in range(count))
            await asyncio.gather(*calls)
        snapshot = self._functions.snapshot_pid(self._name)
        pids = [*self._functions.pids(self._name), *([snapshot] if snapshot else [])]
        return sum(psutil.Process(pid).memory_full_info().pss for pid in pids) / _MB

    def _snapshot_cpu(self) -> float:
        pid = self._functions.snapshot_pid(self._name)
        return cpu_seconds(pid) if pid else 0.0


class Starts(Logs):
    """Logs that also note how many seconds each environment took to be ready."""

    def __init__(self, state: Path) -> None:
        super().__init__(state, console=None)
        self.ready: list[float] = []

    def platform(self, function: str, event: str, record: Mapping[str, Any]) -> None:
        super().platform(function, event, record)
        if milliseconds := record.get("metrics", {}).get("initDurationMs"):
            self.ready.append(milliseconds / 1000)


def _measure(bench: Bench) -> Iterator[Figure]:
    functions = services.template(services.NOWHERE).functions
    events = _events()
    names = [_WORKER] if bench.quick else list(events)
    rounds = 1 if bench.quick else 7
    later: list[Mapping[str, Cost]] = []
    with bench.progress("starts of environments, by turns", rounds * len(names)) as done:
        for name in names:
            run = partial(_running, functions[name], events[name], bench.folder)
            taken = asyncio.run(_by_turns(run, rounds, done))
            later.append(taken)
            yield from _over_bare_python(name.removesuffix("Function"), taken)
    yield from _slowest([taken["later"] for taken in later])
    if POSSIBLE:
        run = partial(_running, functions[_WORKER], events[_WORKER], bench.folder)
        yield asyncio.run(_memory(run, 2 if bench.quick else _TOGETHER))


@asynccontextmanager
async def _running(
    function: Function, event: Mapping[str, Any], folder: Path, *, snapshots: bool
) -> AsyncIterator[Environments]:
    with Supervisor(folder / "starts.json") as supervisor, Starts(folder) as starts:
        async with Functions(
            {function.name: function},
            environment=credentials(services.NOWHERE),
            logs=starts,
            region=REGION,
            watch=False,
            snapshots=snapshots,
            on_spawn=supervisor.watch,
        ) as running:
            yield Environments(running, function.name, event, starts)


async def _by_turns(run: Run, rounds: int, done: Callable[[], None]) -> dict[str, Cost]:
    """Medians."""
    taken: dict[str, list[Cost]] = defaultdict(list)
    for _ in range(rounds):
        taken["bare"].append(_bare_python())
        async with run(snapshots=False) as environments:
            taken["whole"].append(await environments.start())
        async with run(snapshots=True) as environments:
            taken["first"].append(await environments.start())
            for _ in range(_LATER):
                taken["bare"].append(_bare_python())
                taken["later"].append(await environments.start())
        done()
    return {
        name: Cost(median(each.wall for each in costs), median(each.cpu for each in costs))
        for name, costs in taken.items()
    }


def _bare_python() -> Cost:
    before = _children_cpu()
    wall = timed(partial(subprocess.run, [sys.executable, "-c", "pass"], check=True))
    return Cost(wall, _children_cpu() - before)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _over_bare_python(name: str, taken: Mapping[str, Cost]) -> Iterator[Figure]:
    for what, kind in (("ready", "wall"), ("processor time", "cpu")):
        seconds = {way: getattr(cost, kind) for way, cost in taken.items()}
        yield Figure(
            f"{name} from its snapshot over a bare Python, {what}",
            seconds["later"] / seconds["bare"],
            seen={
                "from the snapshot, ms": 1000 * seconds["later"],
                "bare, ms": 1000 * seconds["bare"],
                "the first, ms": 1000 * seconds["first"],
                "without snapshots, ms": 1000 * seconds["whole"],
            },
        )


def _slowest(later: list[Cost]) -> Iterator[Figure]:
    wall, cpu = max(each.wall for each in later), max(each.cpu for each in later)
    yield Figure("the slowest of these is ready in", 1000 * wall, "ms", at_most(25))
    yield Figure("the most processor time of these", 1000 * cpu, "ms", at_most(30))


async def _memory(run: Run, count: int) -> Figure:
    async with run(snapshots=False) as environments:
        whole = await environments.memory(1)
    async with run(snapshots=True) as environments:
        one, all_of_them = await environments.memory(1), await environments.memory(count)
    return Figure(
        f"memory of {count} jobs workers over one's",
        all_of_them / one,
        target=at_most(2),
        seen={
            "one and its snapshot, MB": one,
            f"{count} and theirs, MB": all_of_them,
            "one without, MB": whole,
        },
    )


MEASUREMENT = Measurement(
    "snapshot",
    "starts of environments from a snapshot over a bare `python -c pass`, and their memory",
    50,
    "By turns, medians: a bare Python's start and end; an environment without snapshots; a first "
    "one, for which its function is initialised; and later ones, forked from what the first was. "
    "Ready is from the call for it until it asks for its first event; processor time is the fork's "
    "and its snapshot's until that event, with which there is nothing to do, is answered. In "
    "milliseconds these are an idle machine's. Memory is the proportional set size of all "
    "processes of a function, its snapshot's too.",
    _measure,
)
