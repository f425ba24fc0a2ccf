"""What both gateways share: waiting for a function only so long, and AWS's ids and times."""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any

from local.template.model import Invocation

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from local.template.model import Invoker

_log = logging.getLogger("local.gateway")

PAYLOAD_LIMIT = 6 * 1024 * 1024
"""Bytes of JSON that Lambda takes and gives in a synchronous invocation."""


def new_id() -> str:
    """Return an id as API Gateway's are, `KVmb8FWjoAMFQWg=`: 11 bytes in URL-safe base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(11)).decode()


def now() -> int:
    """Return milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def clock(at: int) -> str:
    """Format epoch milliseconds as API Gateway does: `12/Mar/2020:19:03:58 +0000`."""
    return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at / 1000))


def trace_id(at: int) -> str:
    """Return an `X-Amzn-Trace-Id` for a request at `at`, in epoch milliseconds."""
    return f"Root=1-{at // 1000:08x}-{secrets.token_hex(12)}"


class Background:
    """Work that outlives the request it began with, until the gateway closes."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("A task of the gateway failed", exc_info=error)

    async def close(self, grace: float) -> None:
        """Give what is under way `grace` seconds to end, then cancel the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Integration:
    """An API's Lambda proxy integration: waits `timeout` seconds for a function and no longer."""

    def __init__(self, invoker: Invoker, timeout: float) -> None:
        self._invoker = invoker
        self._timeout = timeout
        self._running = Background()

    async def invoke(self, function: str, event: Mapping[str, Any]) -> Invocation:
        """Invoke `function`; raise TimeoutError if it is slow, and let it run on, as AWS does."""
        task = self._running.start(self._invoker.invoke(function, event))
        done, _ = await asyncio.wait({task}, timeout=self._timeout)
        if not done:
            _log.warning("%s did not answer within %g s", function, self._timeout)
            raise TimeoutError(function)
        if task.cancelled():
            return Invocation(error="Exit", message="The gateway is closing")
        result: Invocation = task.result()
        return result

    async def close(self, grace: float) -> None:
        await self._running.close(grace)
