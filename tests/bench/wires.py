"""Numbered chunks over a raw connection: one at a time with a clock, or many at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.e2e.wire import chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.e2e.wire import Wire


class RefusedError(RuntimeError):
    """An answer to a chunk that is no acknowledgement."""


async def ack_seconds(wire: Wire, data: bytes, seq: int) -> float:
    """From before the chunk is sent until its acknowledgement is there, in seconds."""
    message = chunk(data, seq)
    began = time.perf_counter()
    answer = await wire.ask(message)
    seconds = time.perf_counter() - began
    check(answer)
    return seconds


async def send_windowed(
    wire: Wire, data: bytes, numbers: Iterable[int], *, window: int, done: Callable[[], None]
) -> None:
    """The same chunk under each number, `window` of them unanswered at a time."""
    unanswered = 0
    for seq in numbers:
        if unanswered == window:
            check(await wire.receive())
            unanswered -= 1
            done()
        await wire.send(chunk(data, seq))
        unanswered += 1
    for _ in range(unanswered):
        check(await wire.receive())
        done()


def check(answer: dict[str, Any]) -> None:
    if answer["message"] != "Chunk processed successfully":
        raise RefusedError(str(answer))
