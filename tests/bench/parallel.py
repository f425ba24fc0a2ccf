"""How many sessions at once, until acknowledgements slow down; and whether any loses a sample."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import repeat, takewhile
from statistics import median
from typing import TYPE_CHECKING

from tests.audio import chunks, pcm, samples_of
from tests.bench.bench import Bench, Measurement
from tests.bench.results import Figure, at_most
from tests.bench.wires import ack_seconds, send_windowed
from tests.e2e.wire import Wire, connected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.e2e.stack import Stack

_CHUNK_BYTES = 24_000
_RATE = 8000
_CONNECTING = 16
_SLOW = 5.0
_MOST_PROCESSES = 32


@dataclass(frozen=True)
class Load:
    """Each of `sessions` sends a chunk every `pace` seconds, `chunk_count` in all."""

    sessions: int
    chunk_count: int = 5
    pace: float = 2.0


_ALONE = Load(1, 20, 0.2)
_LOADS = (Load(10), Load(50), Load(100), Load(200))
_QUICK_ALONE, _QUICK = Load(1, 2, 0.1), (Load(2, 2, 0.1),)


@dataclass(frozen=True)
class Found:
    """Seconds of each acknowledgement, and what the sessions that lost something ran into."""

    acks: list[float]
    losses: list[str]


def _measure(bench: Bench) -> Iterator[Figure]:
    """A lone session before and after each load: the machine may have become slower meanwhile."""
    loads, alone = (_QUICK, _QUICK_ALONE) if bench.quick else (_LOADS, _ALONE)
    asyncio.run(_warm_up(bench.stack, loads[-1].sessions))
    ratios: dict[int, float] = {}
    losses: list[str] = []
    before = _run(bench, alone)
    for load in loads:
        found, after = _run(bench, load), _run(bench, alone)
        figure = _latency(load, found, [*before.acks, *after.acks])
        ratios[load.sessions], losses, before = figure.value, found.losses, after
        yield figure
    yield _until_slow(ratios)
    lost = f"sessions that lost anything, of {loads[-1].sessions}"
    yield Figure(lost, len(losses), unit="", target=at_most(0))
    if losses:
        raise ValueError(losses[0])


def _run(bench: Bench, load: Load) -> Found:
    with bench.progress(_sessions(load), load.sessions) as done:
        found = asyncio.run(_together(bench.stack, load, done))
    bench.settle()
    return found


def _latency(load: Load, found: Found, alone: list[float]) -> Figure:
    return Figure(
        f"ack latency, {_sessions(load)} over 1",
        median(found.acks) / median(alone),
        seen={
            "median, ms": 1000 * median(found.acks),
            "alone, ms": 1000 * median(alone),
            "slowest, ms": 1000 * max(found.acks),
            "acks": len(found.acks),
            "chunks/s": load.sessions / load.pace,
            "sessions that lost anything": len(found.losses),
        },
    )


def _sessions(load: Load) -> str:
    return "1 session" if load.sessions == 1 else f"{load.sessions} sessions"


def _until_slow(ratios: Mapping[int, float]) -> Figure:
    """Of those tried; 1 if acknowledgements to the fewest of them are slow."""
    within = takewhile(lambda item: item[1] <= _SLOW, ratios.items())
    return Figure(
        f"sessions at once before acks take over {_SLOW:g} times as long",
        max((sessions for sessions, _ in within), default=1),
        unit="",
        seen={"tried": max(ratios)},
    )


async def _warm_up(stack: Stack, sessions: int) -> None:
    """Starts as many processes of the function as the stack will have, or fewer for fewer."""
    window = min(_MOST_PROCESSES, sessions)
    async with connected(stack, sample_rate=_RATE) as wire:
        data = _audio(0, 1)[0]
        await send_windowed(wire, data, range(2 * window), window=window, done=lambda: None)
        await wire.ask(_close(2 * window))


async def _together(stack: Stack, load: Load, done: Callable[[], None]) -> Found:
    """All connect, then all stream, then all are finished and compared."""
    audio = [_audio(index, load.chunk_count) for index in range(load.sessions)]
    async with AsyncExitStack() as open_wires:
        wires = await _connect(stack, load.sessions, open_wires)
        streams = (
            _stream(wire, pieces, load.pace, index / load.sessions)
            for index, (wire, pieces) in enumerate(zip(wires, audio, strict=True))
        )
        acks = await asyncio.gather(*streams, return_exceptions=True)
        ends = (_finish(*item, done) for item in zip(repeat(stack), wires, audio))
        ended = await asyncio.gather(*ends, return_exceptions=True)
    return Found(
        acks=[seconds for some in acks if not isinstance(some, BaseException) for seconds in some],
        losses=[repr(each) for each in (*acks, *ended) if isinstance(each, BaseException)],
    )


async def _connect(stack: Stack, count: int, open_wires: AsyncExitStack) -> list[Wire]:
    gate = asyncio.Semaphore(_CONNECTING)

    async def connect() -> Wire:
        async with gate:
            return await open_wires.enter_async_context(connected(stack, sample_rate=_RATE))

    return await asyncio.gather(*(connect() for _ in range(count)))


async def _stream(wire: Wire, pieces: list[bytes], pace: float, phase: float) -> list[float]:
    """Seconds of each acknowledgement; the sessions' chunks are spread over the pace."""
    now = asyncio.get_running_loop().time
    due = now() + phase * pace
    acks = []
    for seq, piece in enumerate(pieces):
        await asyncio.sleep(due - now())
        acks.append(await ack_seconds(wire, piece, seq))
        due += pace
    return acks


async def _finish(stack: Stack, wire: Wire, pieces: list[bytes], done: Callable[[], None]) -> None:
    """Raises LostError if the session's WAV has other samples than were sent."""
    await wire.ask(_close(len(pieces)))
    ready = await wire.receive()
    file = await asyncio.to_thread(stack.download, ready["download_url"])
    done()
    if samples_of(file) != b"".join(pieces):
        raise LostError(f"{wire.session_id}: {ready}")


class LostError(Exception):
    """A session's file isn't what was sent."""


def _audio(index: int, chunk_count: int) -> list[bytes]:
    """Other samples for each session, so that a chunk in the wrong file is seen."""
    second = pcm(rate=_RATE, channels=1, seconds=1.0)
    start = 2 * (31 * index % _RATE)
    whole = second * (2 * chunk_count + 1)
    return chunks(whole[start : start + chunk_count * _CHUNK_BYTES], _CHUNK_BYTES)


def _close(chunk_count: int) -> str:
    return json.dumps({"type": "control", "action": "close_session", "chunk_count": chunk_count})


MEASUREMENT = Measurement(
    "parallel",
    "N parallel sessions until acks slow down, and whether 200 lose anything",
    180,
    "Each session sends a chunk of 24,000 bytes every 2 s, which is live for audio of 96 kbit/s, "
    "and waits for each acknowledgement; a lone one sends 20, every 0.2 s, before and after. What "
    "slows down are the local services, which stand in for S3 and DynamoDB: the count is this "
    "machine's, and “services” tells how many calls a second they take. Every file is compared "
    "with what was sent.",
    _measure,
)
