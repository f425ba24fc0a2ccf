"""Runs functions as Lambda does: in processes of their own, one request each at a time."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import sys
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic

from local.runtime.environment import Call, Environment, Host, RuntimeEnvironment, common
from local.runtime.preloaded import Preloaded
from local.runtime.runtime_api import PAYLOAD_LIMIT, NotTakenError, too_large
from local.runtime.snapshot import POSSIBLE
from local.runtime.watch import fingerprint, forget_bytecode
from local.runtime.web_adapter import WebEnvironment
from local.template.model import Invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from local.runtime.logs import Logs
    from local.runtime.snapshot import Snapshot
    from local.runtime.watch import Fingerprint
    from local.runtime.web_adapter import Exchange
    from local.template.model import Function

_log = logging.getLogger("local.runtime.functions")

IDLE_LIMIT = 600.0
"""Seconds without a request after which an environment is given up."""
REAP_EVERY = 60.0


class Functions:
    """Invokes functions by name; an async context manager that leaves no process behind.

    `environment` is added to every function's own, `concurrency` is the most processes of one
    function, and more calls than that wait in line. With `watch`, a change of a function's or
    layer's source is in effect at the next call. With `snapshots`, a function is initialised once,
    and its environments are forks; modules to `preload`, which all of them import, are even
    imported once for all. `on_spawn` is told each new process's id, and its session's.
    """

    def __init__(  # noqa: PLR0913 - the one place where the stack sets its functions up
        self,
        functions: Mapping[str, Function],
        *,
        environment: Mapping[str, str],
        logs: Logs,
        region: str,
        python: str = sys.executable,
        concurrency: int = 32,
        watch: bool = True,
        snapshots: bool = True,
        preload: Sequence[str] = (),
        on_spawn: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._preloaded = Preloaded(
            preload, python=python, variables=common(environment), logs=logs, on_spawn=on_spawn
        )
        forks = snapshots and POSSIBLE
        host = Host(environment, logs, region, python, on_spawn, forks, self._preloaded)
        self._pools = {
            name: Pool(RuntimeEnvironment, function, host, concurrency, watch=watch)
            for name, function in functions.items()
            if not function.is_web_server
        }
        self._web_pools = {
            name: Pool(WebEnvironment, function, host, concurrency, watch=watch)
            for name, function in functions.items()
            if function.is_web_server
        }
        self._calls: set[asyncio.Task[Invocation]] = set()

    async def invoke(self, function: str, event: Mapping[str, Any]) -> Invocation:
        """Run `function`. As on Lambda, a caller that gives up doesn't stop it."""
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        if len(body) > PAYLOAD_LIMIT:
            return too_large("Request")
        return await self._finish(self._pools[function].invoke(body))

    async def serve(self, function: str, exchange: Exchange) -> Invocation:
        """Have `function`, a web server, answer an HTTP request; as above, it goes on in any case.

        An outcome that is an error may come after a part of the answer.
        """
        return await self._finish(self._web_pools[function].invoke(exchange))

    async def _finish(self, invocation: Coroutine[Any, Any, Invocation]) -> Invocation:
        call = asyncio.create_task(invocation)
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return await asyncio.shield(call)

    def pids(self, function: str) -> list[int]:
        """The processes that serve `function` now."""
        return next(pool.pids() for name, pool in self._all_pools() if name == function)

    def snapshot_pid(self, function: str) -> int | None:
        """The process that environments of `function` are forked from, if there is one."""
        return next(pool.snapshot_pid for name, pool in self._all_pools() if name == function)

    async def __aenter__(self) -> Self:
        self._reaper = asyncio.create_task(self._reap())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        tasks = {self._reaper, *self._calls}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for _, pool in self._all_pools():
            await pool.close()
        await self._preloaded.close()

    def _all_pools(self) -> Iterator[tuple[str, Pool[Any]]]:
        yield from self._pools.items()
        yield from self._web_pools.items()

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(REAP_EVERY)
            for _, pool in self._all_pools():
                await pool.reap(IDLE_LIMIT)


class Pool(Generic[Call]):
    """The environments of one function.

    A call that finds none free starts one, and takes whichever is free first: Lambda, too, may give
    it to another one meanwhile, and keep the new one for later.
    """

    def __init__(
        self,
        kind: type[Environment[Call]],
        function: Function,
        host: Host,
        concurrency: int,
        *,
        watch: bool,
    ) -> None:
        self._kind = kind
        self._function = function
        self._host = host
        self._places = asyncio.Semaphore(concurrency)
        self._watch = watch
        self._source: Fingerprint = {}
        self._snapshot: Snapshot | None = None
        self._idle: list[Environment[Call]] = []  # the most recently used one is the last
        self._busy: set[Environment[Call]] = set()
        self._starting: dict[asyncio.Task[None], Environment[Call]] = {}
        self._waiting: deque[asyncio.Future[Environment[Call]]] = deque()
        self._closing: set[asyncio.Task[None]] = set()

    async def invoke(self, call: Call) -> Invocation:
        async with self._places:
            while True:
                try:
                    environment = await self._take()
                except OSError as error:
                    _log.error("%s can't be started: %s", self._function.name, error)
                    return Invocation(error="Init", message=str(error))
                with suppress(NotTakenError):
                    return await self._use(environment, call)

    def pids(self) -> list[int]:
        environments = (*self._idle, *self._busy, *self._starting.values())
        return [one.pid for one in environments if one.pid is not None and one.alive]

    @property
    def snapshot_pid(self) -> int | None:
        return self._snapshot.pid if self._snapshot else None

    async def reap(self, idle: float) -> None:
        """Close the environments that have died, or had nothing to do for `idle` seconds."""
        oldest = time.monotonic() - idle
        over = [one for one in self._idle if one.idle_since <= oldest or not one.alive]
        self._idle = [one for one in self._idle if one not in over]
        await asyncio.gather(*map(self._close, over))
        if not (self._idle or self._busy or self._starting):
            self._give_up_snapshot(unused_since=oldest)

    async def close(self) -> None:
        """Close everything that no call uses any more."""
        for starting in list(self._starting):
            starting.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        await self.reap(idle=0)
        await asyncio.gather(*self._closing)

    async def _take(self) -> Environment[Call]:
        while True:
            self._look_at_source()
            environment = self._warm()
            if environment is None:
                environment = await self._next_free()
                self._look_at_source()  # it may have been read while somebody wrote it
            if environment.source is self._source:
                return environment
            await self._close(environment)

    def _warm(self) -> Environment[Call] | None:
        while self._idle:
            environment = self._idle.pop()
            if environment.alive:
                return environment
            self._close_later(environment)
        return None

    async def _next_free(self) -> Environment[Call]:
        """Raises OSError if a process can't even be started."""
        free: asyncio.Future[Environment[Call]] = asyncio.get_running_loop().create_future()
        self._waiting.append(free)
        if len(self._starting) < len(self._waiting):
            environment = self._kind(
                self._function, self._host, self._source, self._current_snapshot()
            )
            starting = asyncio.create_task(self._start(environment))
            self._starting[starting] = environment
            starting.add_done_callback(self._starting.pop)
        try:
            return await free
        finally:
            if free in self._waiting:
                self._waiting.remove(free)

    async def _start(self, environment: Environment[Call]) -> None:
        try:
            await environment.start()
        except OSError as error:
            if self._waiting:
                self._waiting.popleft().set_exception(error)
            return
        try:
            await environment.settled()
        except asyncio.CancelledError:
            await self._close(environment)
            raise
        self._offer(environment)

    def _offer(self, environment: Environment[Call]) -> None:
        """To the call that has waited longest, if there is one."""
        environment.idle_since = time.monotonic()
        if self._waiting:
            self._waiting.popleft().set_result(environment)
        else:
            self._idle.append(environment)

    async def _use(self, environment: Environment[Call], call: Call) -> Invocation:
        self._busy.add(environment)
        reusable = False
        try:
            outcome = await environment.invoke(call)
            reusable = outcome.error in (None, "Unhandled")
            return outcome
        finally:
            self._busy.remove(environment)
            if reusable:
                self._offer(environment)
            else:
                await self._close(environment)

    async def _close(self, environment: Environment[Call]) -> None:
        """Also to the end if the call that has to do it is cancelled meanwhile."""
        await asyncio.shield(self._close_later(environment))

    def _current_snapshot(self) -> Snapshot | None:
        if not self._host.snapshots:
            return None
        if self._snapshot is not None and not self._snapshot.usable:
            self._give_up_snapshot(unused_since=math.inf)
        if self._snapshot is None:
            self._snapshot = self._kind.snapshot(self._function, self._host)
        return self._snapshot

    def _give_up_snapshot(self, unused_since: float) -> None:
        if self._snapshot is not None and self._snapshot.used_at <= unused_since:
            self._close_later(self._snapshot)
            self._snapshot = None

    def _close_later(self, what: Environment[Call] | Snapshot) -> asyncio.Task[None]:
        closing = asyncio.create_task(what.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        return closing

    def _look_at_source(self) -> None:
        if not self._watch:
            return
        source = fingerprint([self._function.code, *self._function.layers])
        if source != self._source:
            forget_bytecode(self._source, source)
            self._source = source
            self._give_up_snapshot(unused_since=math.inf)
