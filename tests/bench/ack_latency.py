"""Whether an acknowledgement takes longer the more chunks a session has."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from statistics import median
from typing import TYPE_CHECKING

from tests.audio import pcm
from tests.bench.bench import Bench, Measurement
from tests.bench.results import Figure, at_most
from tests.bench.wires import ack_seconds, send_windowed
from tests.e2e.wire import CLOSE, Wire, connected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.stack import Stack

_CHUNK_BYTES = 4096
_RATE = 16000
_WINDOW = 16
_EARLY = range(5, 15)
"""Numbers of a young session's chunks whose acknowledgement is timed: 10 is their middle."""


def _measure(bench: Bench) -> Iterator[Figure]:
    target, young_sessions, window = (20, 1, 2) if bench.quick else (10_000, 40, _WINDOW)
    early, late = asyncio.run(_latencies(bench, bench.stack, target, young_sessions, window))
    bench.settle()
    yield Figure(
        f"ack latency, chunk {target:,} over chunk 10",
        median(late) / median(early),
        target=None if bench.quick else at_most(1.1),
        seen={
            "chunk 10, ms": 1000 * median(early),
            f"chunk {target:,}, ms": 1000 * median(late),
            "acks each": len(late),
        },
    )


async def _latencies(
    bench: Bench, stack: Stack, target: int, young_sessions: int, window: int
) -> tuple[list[float], list[float]]:
    """Seconds of acknowledgements to young sessions and to one that has around `target` chunks."""
    early: list[float] = []
    late: list[float] = []
    start = target - young_sessions * len(_EARLY) // 2
    async with AsyncExitStack() as open_wires:
        wires = [old := await _connect(stack, open_wires)]
        with bench.progress(f"{start:,} chunks, {window} at a time", start) as done:
            await send_windowed(old, _DATA, range(start), window=window, done=done)
        with bench.progress("one at a time, by turns in old and young", young_sessions) as done:
            for seq in range(start, start + young_sessions * len(_EARLY), len(_EARLY)):
                wires.append(young := await _connect(stack, open_wires))
                await _by_turns(old, seq, late, young, early)
                done()
        await _finish(wires)
    return early, late


async def _connect(stack: Stack, open_wires: AsyncExitStack) -> Wire:
    wire = connected(stack, sample_rate=_RATE, api_key=stack.api_key)
    return await open_wires.enter_async_context(wire)


async def _by_turns(
    old: Wire, start: int, late: list[float], young: Wire, early: list[float]
) -> None:
    """The young session's chunks around the tenth, and as many of the old one's from `start`."""
    for warming_up in range(_EARLY.start):
        await ack_seconds(young, _DATA, warming_up)
    for count, number in enumerate(_EARLY):
        turns = [(young, number, early), (old, start + count, late)]
        for wire, seq, acks in turns if count % 2 else reversed(turns):
            acks.append(await ack_seconds(wire, _DATA, seq))


async def _finish(wires: list[Wire]) -> None:
    """Until every file is made, so that none is in the way of what is measured next."""
    for wire in wires:
        await wire.ask(CLOSE)
    for wire in wires:
        await wire.receive()


_DATA = pcm(rate=_RATE, channels=1, seconds=1.0)[:_CHUNK_BYTES]

MEASUREMENT = Measurement(
    "ack",
    "ack latency at chunk 10,000 over chunk 10",
    200,
    "One connection sends 4 KB chunks, 16 in flight, to get there; what is timed is one chunk at a "
    "time, by turns in that session and in sessions that are at their tenth chunk. Every function "
    "is warm.",
    _measure,
)
