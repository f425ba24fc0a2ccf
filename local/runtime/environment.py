"""An execution environment: a process that runs a function, one call at a time."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
import time
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from local.processes.sessions import is_alive, kill_session, peak_memory
from local.runtime.runtime_api import Request, RuntimeApi
from local.template.account import ACCOUNT
from local.template.model import Invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from local.runtime.logs import Logs
    from local.runtime.watch import Fingerprint
    from local.template.model import Function

Call = TypeVar("Call")

VERSION = "$LATEST"
INIT_LIMIT = 10.0
"""Seconds that a start may take before it counts against the function's timeout."""
LAST_WORDS = 0.2
"""Seconds that a dead process's output is waited for, if somebody else still holds it open."""
FROM_THE_SHELL = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TMPDIR")
STATUS = {None: "success", "Timeout": "timeout"}


@dataclass(frozen=True)
class Host:
    """What all environments share. `environment` is for every function, over the shell's."""

    environment: Mapping[str, str]
    logs: Logs
    region: str
    python: str
    on_spawn: Callable[[int], None] | None


class Environment(ABC, Generic[Call]):
    """Takes one call at a time. After an `Unhandled` error it is as good as before."""

    _process: asyncio.subprocess.Process
    _output: asyncio.ReadTransport
    _log: asyncio.Task[None]
    _end: asyncio.Task[str]

    def __init__(self, function: Function, host: Host, source: Fingerprint) -> None:
        self.source = source
        self.idle_since = 0.0
        self._function = function
        self._host = host
        self._started = 0.0
        self._init_ms: float | None = None
        self._initialised = False

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
        self._process = await self._spawn(command, variables)
        self._end = asyncio.create_task(self._watch())
        if self._host.on_spawn:
            self._host.on_spawn(self.pid)

    async def _spawn(
        self, command: Sequence[str], variables: Mapping[str, str]
    ) -> asyncio.subprocess.Process:
        # A pipe of our own: with asyncio's, a process seems to live on until the last of its
        # children, too, has closed it.
        reader, self._output, output = await pipe()
        self._log = asyncio.create_task(self._host.logs.follow(self._function.name, reader))
        self._started = time.monotonic()
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                cwd=self._function.code,
                env=variables,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            os.close(output)

    async def settled(self) -> None:
        """Until it has come up, or hasn't: the first invocation then tells which."""
        await self._first_of(self._up, self._end)

    async def _first_of(self, *either: asyncio.Future[Any]) -> None:
        remaining = max(0.0, self._started + INIT_LIMIT - time.monotonic())
        await asyncio.wait(either, timeout=remaining, return_when=asyncio.FIRST_COMPLETED)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None and is_alive(self.pid)

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
        kill_session(self.pid)
        await self._end
        await asyncio.wait({self._log}, timeout=LAST_WORDS)
        self._log.cancel()
        self._output.close()

    async def _watch(self) -> str:
        return ending(await self._process.wait())

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
            "maxMemoryUsedMB": peak_memory(self.pid),
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

    def __init__(self, function: Function, host: Host, source: Fingerprint) -> None:
        super().__init__(function, host, source)
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


async def pipe() -> tuple[asyncio.StreamReader, asyncio.ReadTransport, int]:
    """A pipe's reading end, its transport, and the descriptor of the writing end."""
    read_end, write_end = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", buffering=0)
    )
    return reader, transport, write_end


def ending(status: int) -> str:
    """How a process ended, in Lambda's words."""
    if status >= 0:
        return f"exit status {status}"
    return f"signal: {(signal.strsignal(-status) or str(-status)).lower()}"


def variables(function: Function, host: Host) -> dict[str, str]:
    """A process's whole environment: of the shell's it gets no more than a program needs.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    shell = {name: os.environ[name] for name in FROM_THE_SHELL if name in os.environ}
    given = shell | defaults() | dict(host.environment) | dict(function.environment)
    search = [str(layer / "bin") for layer in function.layers] + [given.get("PATH", os.defpath)]
    return given | reserved(function, host.region) | {"PATH": os.pathsep.join(search)}


def defaults() -> dict[str, str]:
    return {
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "TZ": ":UTC",
        # Lambda has neither file; the developer's would lend endpoints and credentials.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


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
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_LEVEL": function.log_level,
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{day}/[{VERSION}]{uuid.uuid4().hex}",
        "AWS_REGION": region,
        "LAMBDA_TASK_ROOT": str(function.code),
        "PYTHONPATH": os.pathsep.join(packages),
        "_HANDLER": function.handler,
    }
