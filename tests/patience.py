"""How long tests wait: until what they wait for is there, or can't come any more.

A wait has no limit of its own, for what is quick here may be slow beside other work. Only a test
has one, pytest's `timeout`, which TEST_PATIENCE multiplies: 3 on a machine that is busy or slow.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

PATIENCE = float(os.environ.get("TEST_PATIENCE", "1"))
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.25
"""Seconds between two looks."""


def until(condition: Callable[[], T], *, failed: Callable[[], object] = lambda: None) -> T:
    """What `condition` returns when that is true. AssertionError with what `failed` returns as soon
    as that is true: the wait would be in vain.
    """
    pauses = _pauses()
    while not (found := condition()):
        _give_up_if(failed)
        time.sleep(next(pauses))
    return found


async def until_async(
    condition: Callable[[], T], *, failed: Callable[[], object] = lambda: None
) -> T:
    """The same, while other tasks go on."""
    pauses = _pauses()
    while not (found := condition()):
        _give_up_if(failed)
        await asyncio.sleep(next(pauses))
    return found


def _pauses() -> Iterator[float]:
    """Each a tenth longer: looking takes the processor from what is waited for."""
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(1.1 * pause, _LONGEST_PAUSE)


def _give_up_if(failed: Callable[[], object]) -> None:
    reason = failed()
    assert not reason, reason
