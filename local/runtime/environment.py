"""An execution environment: a process that runs a function, one call at a time."""

from __future__ import annotations

import asyncio
import math
import os
import sys
import time
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from local.processes.sessions import is_alive, kill_session, peak_memory
from local.runtime.process import Output, ending, spawn
from local.runtime.runtime_api import Request, RuntimeApi
from local.runtime.snapshot import (
    INITIALIZATION_TYPE,
    PROGRAM,
    InitError,
    NoSnapshotError,
    Snapshot,
)
from local.template.account import ACCOUNT
from local.template.model import Invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from local.runtime.logs import Logs
    from local.runtime.preloaded import Preloaded
    from local.runtime.process import Process
    from local.runtime.watch import Fingerprint
    from local.template.model import Function

Call = TypeVar("Call")

VERSION = "$LATEST"
INIT_LIMIT = 10.0
"""Seconds that a start may take before it counts against the function's timeout."""
FROM_THE_SHELL = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TMPDIR")
STATUS = {None: "success", "Timeout": "timeout"}


@dataclass(frozen=True)
class Host:
    """What all environments share. `environment` is for every function, over the shell's."""

    environment: Mapping[str, str]
    logs: Logs
    region: str
    python: str
    on_spawn: Callable[[int], None]
    snapshots: bool
    preloaded: Preloaded


class Environment(ABC, Generic[Call]):
    """Takes one call at a time. After an `Unhandled` error it is as good as before.

    With a `snapshot` its process is a fork of that, if there can be one.
    """

    _output: Output
    _launch: asyncio.Task[Process]
    _end: asyncio.Task[str]

    def __init__(
        self, function: Function, host: Host, source: Fingerprint, snapshot: Snapshot | None
    ) -> None:
        self.source = source
        self.idle_since = 0.0
        self._function = function
        self._host = host
        self._snapshot = snapshot
        self._process: Process | None = None
        self._started = 0.0
        self._init_ms: float | None = None
        self._initialised = False

    @classmethod
    @abstractmethod
    def snapshot(cls, function: Function, host: Host) -> Snapshot:
        """What environments of the function can be forked from."""

    @abstractmethod
    async def start(self) -> None:
        """Start the process; whether it comes up, the first invocation will tell."""

    @property
    @abstractmethod
    def _up(self) -> asyncio.Future[float]:
        """When it came up; only of one that has been started."""

    @abstractmethod
    def _submit(self, call: Call) -> Request:
        """Hand a call to the process; its outcome will be set, unless time runs out first."""

    async def _run(self, command: Sequence[str], variables: Mapping[str, str]) -> None:
        """Raises OSError if there is nothing to run."""
        self._started = time.monotonic()
        if self._snapshot is not None:
            await self._snapshot.start()
        self._output = await Output.open(self._host.logs, self._function.name)
        self._launch = asyncio.create_task(self._launched(command, variables))
        self._end = asyncio.create_task(self._watch())
        if self._snapshot is None:
            await self._launch

    async def _launched(self, command: Sequence[str], variables: Mapping[str, str]) -> Process:
        try:
            self._process = await self._forked(variables)
            if self._process is None:
                self._process = await spawn(
                    command, variables, self._output, cwd=self._function.code
                )
                self._host.on_spawn(self._process.pid)
        finally:
            self._output.handed_over()
        return self._process

    async def _forked(self, variables: Mapping[str, str]) -> Process | None:
        if self._snapshot is None:
            return None
        try:
            return await self._snapshot.fork(variables, self._output)
        except NoSnapshotError:
            return None

    async def settled(self) -> None:
        """Until it has come up, or hasn't: the first invocation then tells which."""
        await self._first_of(self._up, self._end)

    async def _first_of(self, *either: asyncio.Future[Any]) -> None:
        remaining = max(0.0, self._started + INIT_LIMIT - time.monotonic())
        await asyncio.wait(either, timeout=remaining, return_when=asyncio.FIRST_COMPLETED)

    @property
    def pid(self) -> int | None:
        """None before there is a process."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return not self._end.done() and (self.pid is None or is_alive(self.pid))

    @property
    def _arn(self) -> str:
        return f"arn:aws:lambda:{self._host.region}:{ACCOUNT}:function:{self._function.name}"

    async def invoke(self, call: Call) -> Invocation:
        """Raises NotTakenError if the process turns out to have died before."""
        request = self._submit(call)
        self._log_platform("start", {"requestId": request.id, "version": VERSION})
        await self._initialise(request)
        outcome = await self._outcome(request)
        self._report(request, outcome)
        return outcome

    async def close(self) -> None:
        self._launch.cancel()
        await asyncio.wait({self._launch})
        if self.pid is not None:
            kill_session(self.pid)
        await asyncio.wait({self._end})
        await self._output.close()

    async def _watch(self) -> str:
        """How the process ended, or why there is none, in Lambda's words."""
        try:
            process = await asyncio.shield(self._launch)
        except (InitError, OSError) as error:
            return str(error)
        return f"Runtime exited with error: {ending(await process.wait())}"

    async def _initialise(self, request: Request) -> None:
        if self._initialised:
            return
        await self._first_of(self._up, request.outcome)
        if self._up.done():
            self._initialised = True
            self._init_ms = (self._up.result() - self._started) * 1000

    async def _outcome(self, request: Request) -> Invocation:
        remaining = request.start_clock() + request.timeout - time.monotonic()
        try:
            return await asyncio.wait_for(request.outcome, remaining)
        except TimeoutError:
            message = f"{request.id} Task timed out after {request.timeout:.2f} seconds"
            return Invocation(error="Timeout", message=message)

    def _report(self, request: Request, outcome: Invocation) -> None:
        duration = (time.monotonic() - request.start_clock()) * 1000
        init, self._init_ms = self._init_ms, None
        metrics = {
            "durationMs": round(duration, 2),
            "billedDurationMs": math.ceil(duration + (init or 0)),
            "memorySizeMB": self._function.memory,
            "maxMemoryUsedMB": self.pid and peak_memory(self.pid),
            "initDurationMs": init and round(init, 2),
        }
        record = {
            "requestId": request.id,
            "metrics": {name: value for name, value in metrics.items() if value is not None},
            "status": STATUS.get(outcome.error, "error"),
        }
        if outcome.error:
            record |= {"errorType": outcome.error, "errorMessage": outcome.message}
        self._log_platform("report", record)

    def _log_platform(self, event: str, record: Mapping[str, Any]) -> None:
        self._host.logs.platform(self._function.name, event, record)


class RuntimeEnvironment(Environment[bytes]):
    """A process of AWS's runtime client, awslambdaric, and its server; a call is its event."""

    def __init__(
        self, function: Function, host: Host, source: Fingerprint, snapshot: Snapshot | None
    ) -> None:
        super().__init__(function, host, source, snapshot)
        self._api = RuntimeApi()

    async def start(self) -> None:
        try:
            address = {"AWS_LAMBDA_RUNTIME_API": await self._api.open()}
            await self._run(
                (self._host.python, "-m", "awslambdaric", self._function.handler),
                variables(self._function, self._host) | address,
            )
        except BaseException:
            await self._api.close()
            raise

    async def close(self) -> None:
        await super().close()
        await self._api.close()

    @classmethod
    def snapshot(cls, function: Function, host: Host) -> Snapshot:
        command = (host.python, str(PROGRAM), "--handler", function.handler)
        snap_start = {INITIALIZATION_TYPE: "snap-start"}
        return Snapshot(
            function.name,
            function.code,
            command,
            variables(function, host) | snap_start,
            logs=host.logs,
            on_spawn=host.on_spawn,
            base=host.preloaded.snapshot(function),
        )

    @property
    def _up(self) -> asyncio.Future[float]:
        return self._api.initialised

    def _submit(self, call: bytes) -> Request:
        request = Request(call, self._arn, self._function.timeout)
        self._api.submit(request)
        return request

    async def _watch(self) -> str:
        how = await super()._watch()
        self._api.process_ended(how)
        return how


def variables(function: Function, host: Host) -> dict[str, str]:
    """A process's whole environment: of the shell's it gets no more than a program needs.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    given = common(host.environment) | dict(function.environment)
    search = [str(layer / "bin") for layer in function.layers] + [given.get("PATH", os.defpath)]
    return given | reserved(function, host.region) | {"PATH": os.pathsep.join(search)}


def common(environment: Mapping[str, str]) -> dict[str, str]:
    """What the environments of all functions have."""
    shell = {name: os.environ[name] for name in FROM_THE_SHELL if name in os.environ}
    defaults = {
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "TZ": ":UTC",
        # numpy's threads would keep its function from being forked, and have no processor of theirs
        # on a machine of Lambda's with one.
        "OPENBLAS_NUM_THREADS": "1",
        # awscrt is here for SAM's sake and in no layer: a function is to do without it here, too.
        "BOTO_DISABLE_CRT": "true",
        # Lambda has neither file; the developer's would lend endpoints and credentials.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    return shell | defaults | dict(environment)


def reserved(function: Function, region: str) -> dict[str, str]:
    """What Lambda sets and no function can change."""
    day = time.strftime("%Y/%m/%d", time.gmtime())
    # A layer's source holds its packages directly, a built one holds them in python/.
    packages = [str(path) for layer in function.layers for path in (layer, layer / "python")]
    return {
        "AWS_ACCESS_KEY_ID": function.name,  # by which its calls are held to its policy
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": VERSION,
        INITIALIZATION_TYPE: "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": function.log_level,
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{day}/[{VERSION}]{uuid.uuid4().hex}",
        "AWS_REGION": region,
        "LAMBDA_TASK_ROOT": str(function.code),
        "PYTHONPATH": os.pathsep.join(packages),
        "_HANDLER": function.handler,
    }
