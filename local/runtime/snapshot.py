"""A function that has been initialised, for its environments to be forked from.

As SnapStart restores a snapshot of an initialised function's memory, so that only its first start
is a long one. https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.processes.sessions import gone, kill_session
from local.processes.waiting import first_of, unless
from local.runtime.process import Output, ending, spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from local.runtime.logs import Logs
    from local.runtime.process import Process

_log = logging.getLogger("local.runtime")

POSSIBLE = sys.platform == "linux"
"""Elsewhere forks are unsafe as soon as a system's own libraries are used, or can't be watched."""
PROGRAM = Path(__file__).with_name("forking.py")
MESSAGE_LIMIT = 64 * 1024
INITIALIZATION_TYPE = "AWS_LAMBDA_INITIALIZATION_TYPE"
ARGUMENTS, CONTROL = "SNAPSHOT_ARGUMENTS", "SNAPSHOT_CONTROL"


class InitError(Exception):
    """The function can't be initialised; the message says why, as Lambda would."""


class NoSnapshotError(Exception):
    """There is nothing to fork from: an environment has to start from nothing."""


class UnsafeError(NoSnapshotError):
    """The function holds what can't be in two processes, or isn't ours to fork."""


class Fork:
    """A process that was forked: a `Process` from when it has begun."""

    pid = 0

    def __init__(self) -> None:
        self.unwanted = False
        self.begun_or_not = asyncio.Event()
        self._ended = asyncio.Event()
        self._status: int | None = None

    def begin(self, pid: int) -> None:
        self.pid = pid
        self.begun_or_not.set()
        if self.unwanted:
            kill_session(pid)

    def end(self, status: int | None) -> None:
        self._status = status
        self.begun_or_not.set()
        self._ended.set()

    async def wait(self) -> int | None:
        await self._ended.wait()
        return self._status


class Snapshot:
    """Of what `name` is initialised to in `folder`: one function, and its source as they are. It's
    given up if nobody waits for it any more before that.

    `command` runs `forking.py` in the end, which is a fork of `base` itself if there is one. Should
    it become a server by itself instead, which `serves` waits for, there is nothing to fork from.
    """

    def __init__(  # noqa: PLR0913 - by keyword, but for what it is of
        self,
        name: str,
        folder: Path,
        command: Sequence[str],
        variables: Mapping[str, str],
        *,
        logs: Logs,
        on_spawn: Callable[[int], None],
        base: Snapshot | None = None,
        serves: Callable[[], Coroutine[Any, Any, object]] | None = None,
    ) -> None:
        self.used_at = time.monotonic()
        self._name = name
        self._folder = folder
        self._command = command
        self._base = base
        self._variables = variables
        self._logs = logs
        self._on_spawn = on_spawn
        self._serves = serves
        self._forks: dict[int, Fork] = {}
        self._numbers = count(1)
        self._waiting = 0
        self._known = asyncio.Event()  # whether there is something to fork from
        self._failure: InitError | NoSnapshotError | None = None
        self._starting: asyncio.Task[Process] | None = None
        self._work: asyncio.Task[None] | None = None
        self._unwanted = asyncio.Event()
        self._orphans: set[asyncio.Task[None]] = set()

    @property
    def usable(self) -> bool:
        """Whether the next environment should ask this one, which may know that there is none."""
        return self._failure is None or isinstance(self._failure, UnsafeError)

    @property
    def pid(self) -> int | None:
        """Of the process that is forked."""
        if self._work is None or self._work.done() or self._starting is None:
            return None
        return self._starting.result().pid

    async def start(self) -> None:
        """Raises OSError if its program can't even be started."""
        if self._starting is None:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._control.setblocking(False)
            self._starting = asyncio.create_task(self._spawn(theirs))
        await asyncio.shield(self._starting)

    async def fork(
        self, variables: Mapping[str, str], output: Output, control: socket.socket | None = None
    ) -> Fork:
        """A process with these variables instead of the snapshot's, and that socket. Raises
        InitError if the function can't be initialised, NoSnapshotError if an environment has to
        start without.
        """
        await self._initialised()
        self.used_at = time.monotonic()
        number, fork = next(self._numbers), Fork()
        self._forks[number] = fork
        try:
            self._order(number, variables, output, control)
            await fork.begun_or_not.wait()
        except OSError as error:
            raise NoSnapshotError(str(error)) from error
        except asyncio.CancelledError:
            fork.unwanted = True
            raise
        if not fork.pid:
            raise NoSnapshotError("The snapshot's process has ended")
        self._on_spawn(fork.pid)
        return fork

    async def close(self) -> None:
        """Nothing is left of it but its forks."""
        if self._starting is not None:
            await asyncio.wait({self._starting})
        if self._work is not None:
            self._unwanted.set()
            await asyncio.wait({self._work})

    async def _spawn(self, theirs: socket.socket) -> Process:
        output = await Output.open(self._logs, self._name)
        try:
            process = await self._forked(output, theirs) or await self._spawned(output, theirs)
        except OSError as error:
            self._know(InitError(str(error)))
            self._control.close()
            raise
        finally:
            output.handed_over()
            theirs.close()
        self._work = asyncio.create_task(self._run(process, output))
        return process

    async def _forked(self, output: Output, theirs: socket.socket) -> Process | None:
        if self._base is None:
            return None
        arguments = {ARGUMENTS: json.dumps(self._command[2:])}
        try:
            await self._base.start()
            return await self._base.fork({**self._variables, **arguments}, output, theirs)
        except (InitError, NoSnapshotError):
            return None

    async def _spawned(self, output: Output, theirs: socket.socket) -> Process:
        process = await spawn(
            self._command,
            {**self._variables, CONTROL: str(theirs.fileno())},
            output,
            cwd=self._folder,
            pass_fds=[theirs.fileno()],
        )
        self._on_spawn(process.pid)
        return process

    async def _run(self, process: Process, output: Output) -> None:
        # A process that it has left behind may hold its end of the socket.
        works = [self._listen(), process.wait(), self._unwanted.wait()]
        if self._serves:
            works.append(self._notice_server())
        try:
            await first_of(*works)
            self._hear_out()
        finally:
            kill_session(process.pid, spare=[fork.pid for fork in self._forks.values()])
            how = ending(await process.wait())
            self._control.close()
            self._know(InitError(f"Runtime exited with error: {how}"))
            self._failure = self._failure or NoSnapshotError(f"The snapshot has ended: {how}")
            self._leave_forks_alone()
            await output.close()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(ConnectionResetError):
            while data := await loop.sock_recv(self._control, MESSAGE_LIMIT):
                self._heed(json.loads(data))

    def _hear_out(self) -> None:
        with suppress(BlockingIOError, ConnectionResetError):
            while data := self._control.recv(MESSAGE_LIMIT):
                self._heed(json.loads(data))

    def _heed(self, message: Mapping[str, Any]) -> None:
        match message:
            case {"ready": True}:
                self._know(None)
            case {"failed": str(reason)}:
                self._know(InitError(reason))
            case {"unsafe": str(reason)}:
                self._have_none(reason)
            case {"fork": int(number), "pid": int(pid)}:
                self._forks[number].begin(pid)
            case {"fork": int(number), "status": int(status)}:
                self._forks.pop(number).end(status)

    async def _notice_server(self) -> None:
        assert self._serves is not None  # noqa: S101 - tells mypy what is known
        await unless(self._known, self._serves())
        if not self._known.is_set():
            self._have_none("it serves before it can be forked")
        else:
            await asyncio.Event().wait()

    def _have_none(self, reason: str) -> None:
        _log.warning(
            "%s can't be forked, so each of its starts is a whole one: %s", self._name, reason
        )
        self._know(UnsafeError(reason))

    def _know(self, failure: InitError | NoSnapshotError | None) -> None:
        if not self._known.is_set():
            self._failure = failure
            self._known.set()

    async def _initialised(self) -> None:
        self._waiting += 1
        try:
            await self._known.wait()
        finally:
            self._waiting -= 1
            if not self._waiting and not self._known.is_set():
                self._unwanted.set()
        if self._failure is not None:
            raise self._failure

    def _order(
        self,
        number: int,
        variables: Mapping[str, str],
        output: Output,
        control: socket.socket | None,
    ) -> None:
        """By the difference, for a program on the way may have set some of its own."""
        changed = {
            name: value
            for name, value in variables.items()
            if self._variables.get(name) != value and name != INITIALIZATION_TYPE
        }
        order = json.dumps({"fork": number, "variables": changed}).encode()
        given = [output.end] if control is None else [output.end, control.fileno()]
        socket.send_fds(self._control, [order], given)

    def _leave_forks_alone(self) -> None:
        """They go on; nobody can tell any more how they end."""
        for fork in self._forks.values():
            if fork.pid:
                orphan = asyncio.create_task(self._outlived(fork))
                self._orphans.add(orphan)
                orphan.add_done_callback(self._orphans.discard)
            else:
                fork.end(None)

    async def _outlived(self, fork: Fork) -> None:
        await gone(fork.pid)
        fork.end(None)
