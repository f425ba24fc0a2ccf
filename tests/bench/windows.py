"""What it is worth to have several chunks in flight, by how long the line is."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from audio_client import AudioStreamer
from tests.audio import chunks, pcm
from tests.bench.bench import Bench, Measurement
from tests.bench.proxy import longer_line
from tests.bench.results import Figure
from tests.bench.timing import interleaved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.stack import Stack

_CHUNK_BYTES = 4096
_RATE = 16000
_WINDOW = 16
_ROUND_TRIPS_MS = (0, 100)


def _measure(bench: Bench) -> Iterator[Figure]:
    chunk_count, rounds = (3, 1) if bench.quick else (100, 3)
    round_trips = _ROUND_TRIPS_MS[1:] if bench.quick else _ROUND_TRIPS_MS
    seconds = partial(_session_seconds, bench, chunk_count)
    seconds(window=_WINDOW, round_trip=0)  # starts the functions
    for round_trip in round_trips:
        with bench.progress(f"sessions at + {round_trip} ms", 2 * rounds) as done:
            taken = interleaved(
                {
                    name: partial(seconds, window=window, round_trip=round_trip / 1000)
                    for name, window in (("one", 1), ("many", _WINDOW))
                },
                rounds,
                done,
            )
        yield Figure(
            f"whole session at + {round_trip} ms, window 1 over {_WINDOW}",
            taken["one"] / taken["many"],
            seen={
                "window 1, s": taken["one"],
                f"window {_WINDOW}, s": taken["many"],
                "chunks": chunk_count,
            },
        )


def _session_seconds(bench: Bench, chunk_count: int, *, window: int, round_trip: float) -> float:
    audio = chunks(pcm(rate=_RATE, channels=1, seconds=1.0) * chunk_count, _CHUNK_BYTES)
    seconds = asyncio.run(_session(bench.stack, audio[:chunk_count], window, round_trip))
    bench.settle()  # the file is processed, too
    return seconds


async def _session(stack: Stack, audio: list[bytes], window: int, round_trip: float) -> float:
    """Seconds from the handshake to the news that the file is ready."""
    port = int(stack.url.rpartition(":")[2])
    async with longer_line(port, round_trip=round_trip) as longer:
        began = time.perf_counter()
        url = f"ws://127.0.0.1:{longer}/api"
        async with AudioStreamer(url, api_key=stack.api_key, window=window) as streamer:
            await streamer.create_session(sample_rate=_RATE)
            await streamer.stream(audio)
            await streamer.wait_until_ready()
            return time.perf_counter() - began


MEASUREMENT = Measurement(
    "window",
    "whole-session time with one chunk in flight over 16, at 0 and 100 ms added round trip",
    45,
    "100 chunks of 4 KB by the Python client, from the handshake to “Audio file ready”. The "
    "round trip is added between client and gateway. What 16 in flight gain is bounded by the "
    "local services, which do one call at a time.",
    _measure,
)
