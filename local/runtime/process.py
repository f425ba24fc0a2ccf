"""A process of a function, and what it prints."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from local.runtime.logs import Logs

LAST_WORDS = 0.2
"""Seconds that a dead process's output is waited for, if somebody else still holds it open."""


class Process(Protocol):
    """The leader of a session of its own."""

    @property
    def pid(self) -> int: ...

    async def wait(self) -> int | None:
        """Its exit status, a signal's number negated, None if nobody can tell."""


class Output:
    """A pipe of our own, whose other end a process writes to: with asyncio's, a process seems to
    live on until the last of its children, too, has closed it.
    """

    def __init__(self, transport: asyncio.ReadTransport, log: asyncio.Task[None], end: int) -> None:
        self._transport = transport
        self._log = log
        self.end = end

    @classmethod
    async def open(cls, logs: Logs, function: str) -> Output:
        """Every line goes to the function's log. Its `end` is to be handed over, then closed."""
        read_end, write_end = os.pipe()
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", buffering=0)
        )
        return cls(transport, asyncio.create_task(logs.follow(function, reader)), write_end)

    def handed_over(self) -> None:
        """The process has the writing end now; ours would hide that it closes its own."""
        os.close(self.end)

    async def close(self) -> None:
        """After the process's end."""
        await asyncio.wait({self._log}, timeout=LAST_WORDS)
        self._log.cancel()
        self._transport.close()


async def spawn(
    command: Sequence[str],
    variables: Mapping[str, str],
    output: Output,
    *,
    cwd: Path,
    pass_fds: Sequence[int] = (),
) -> asyncio.subprocess.Process:
    """Raises OSError if there is no such program or folder."""
    return await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=variables,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output.end,
        stderr=output.end,
        start_new_session=True,
        pass_fds=pass_fds,
    )


def ending(status: int | None) -> str:
    """How a process ended, in Lambda's words."""
    if status is None:
        return "exit status unknown"
    if status >= 0:
        return f"exit status {status}"
    return f"signal: {(signal.strsignal(-status) or str(-status)).lower()}"
