"""Sessions stream while S3, DynamoDB and SQS lose answers, fail, are throttled, slow or away: what
was acknowledged is in the file, once, and whoever waits is told of it.

The trouble lies between the functions and the services, where a proxy makes it. The gateways, the
queues' event sources and the test itself have none.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from audio_client import AudioStreamer
from audio_client.errors import ConnectionFailedError, SessionRefusedError, StalledError
from audio_client.settings import Retry
from tests.audio import samples_of, wav
from tests.e2e.marked import chunk_of, chunks_in
from tests.e2e.proxy import Proxy, proxying
from tests.e2e.stack import Stack, running
from tests.e2e.wire import CLOSE, Wire, chunk, connected
from tests.patience import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.soak import Soak

RATE = 16000
GREETING_SECONDS = 30 * PATIENCE
"""A session whose creator hears nothing for so long is another one's."""
TOLD_SECONDS = 600 * PATIENCE
"""Without news of its file for so long, a session counts as one that nobody was told of."""
DROPPED = 0.03
"""How many chunks are followed by the loss of their connection."""
GREETINGS = ("Audio session created", "Audio session resumed")
RESULTS = ("Audio file ready", "No audio received", "Audio processing failed")


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with proxying() as between:
        yield between


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, proxy: Proxy) -> Iterator[Stack]:
    """Behind the proxy. It tries a job as often as it takes."""
    with running(
        tmp_path_factory.mktemp("stack"),
        "--strict",
        "--variable",
        f"HTTP_PROXY={proxy.url}",
        ending=signal.SIGTERM,
        MaxConcurrentSessions=10_000,
        WorkerMissedSeconds=30,  # to hold a message may take 20 s, too
        JobAttempts=1000,
    ) as up:
        yield up


@dataclass
class Recording:
    """A session as its client knows it, of `total` chunks; each is a WAV file if it is `wrapped`,
    and bare samples otherwise.
    """

    number: int
    total: int
    numbered: bool
    wrapped: bool
    session_id: str = ""
    acknowledged: set[int] = field(default_factory=set)
    told: bool = False

    def chunk(self, seq: int) -> bytes:
        samples = chunk_of(self.number, seq)
        return wav(samples, rate=RATE, channels=1) if self.wrapped else samples


class Client:
    """Records a session, and waits until it is told of the file.

    It connects again where its connection was lost, and drops some itself before it has closed the
    session. None has a key: what has one is transcribed, which takes long.
    """

    def __init__(self, stack: Stack, draw: random.Random) -> None:
        self._stack = stack
        self._draw = draw

    async def record(self, one: Recording) -> None:
        await (self._stream(one) if one.numbered else self._dictate(one))

    async def _stream(self, one: Recording) -> None:
        """By the published client: chunks are numbered and sent again until they are acknowledged.
        As long as it is connected, it is told through its connection or not at all.
        """
        streamer = await self._opened()
        one.session_id = streamer.session_id or ""
        for seq in range(one.total):
            await streamer.send(one.chunk(seq))
            if streamer.websocket and self._draw.random() < DROPPED:
                streamer.websocket.transport.abort()
        await streamer.flush()
        one.acknowledged.update(range(one.total))
        with suppress(StalledError):
            await streamer.wait_until_ready(TOLD_SECONDS)
            one.told = True
        await streamer.close_session()

    async def _opened(self) -> AudioStreamer:
        retry = Retry(ack_timeout=1.0, first_delay=0.1, max_delay=2.0, poll=TOLD_SECONDS / 10)
        while True:
            url = f"{self._stack.ws_url}/api"
            streamer = AudioStreamer(url, window=4, timeout=TOLD_SECONDS, retry=retry)
            with suppress(ConnectionFailedError, SessionRefusedError):
                await streamer.create_session(sample_rate=RATE)
                return streamer

    async def _dictate(self, one: Recording) -> None:
        """Chunks without numbers: each once, and the next when it was answered."""
        chunks = iter(range(one.total))
        ended = False
        while not ended:
            try:
                async with self._connected(one) as wire:
                    for seq in chunks:
                        await self._say(wire, one, seq)
                    await self._close(wire, one)
                ended = True
            except InvalidStatus as refused:
                ended = refused.response.status_code < 500 and await self._asked(one)
            except (ConnectionClosed, TimeoutError):
                continue

    @asynccontextmanager
    async def _connected(self, one: Recording) -> AsyncIterator[Wire]:
        async with AsyncExitStack() as opened:
            async with asyncio.timeout(GREETING_SECONDS):
                connecting = connected(self._stack, one.session_id, sample_rate=RATE)
                wire = await opened.enter_async_context(connecting)
            one.session_id = wire.session_id
            yield wire

    async def _say(self, wire: Wire, one: Recording, seq: int) -> None:
        """What isn't acknowledged isn't said again: it may be kept, and would be there twice."""
        await wire.send(chunk(one.chunk(seq)))
        if self._draw.random() < DROPPED:
            wire.websocket.transport.abort()
        while (frame := await wire.receive())["message"] in GREETINGS:
            pass
        if frame["message"] == "Chunk processed successfully":
            one.acknowledged.add(seq)

    async def _close(self, wire: Wire, one: Recording) -> None:
        await wire.send(CLOSE)
        with suppress(TimeoutError):
            async with asyncio.timeout(TOLD_SECONDS):
                while not one.told:
                    frame = await wire.receive()
                    if frame["message"] == "Internal server error":
                        await wire.send(CLOSE)
                    one.told = frame["message"] in RESULTS

    async def _asked(self, one: Recording) -> bool:
        """A session is closed that takes no connection any more: its file is asked for."""

        def finished() -> bool:
            info = self._stack.session(one.session_id)
            return info.get("processing_status") not in (None, "pending")

        one.told = await asyncio.to_thread(until, finished)
        return one.told


@dataclass(frozen=True)
class Finding:
    """What is wrong with a session: numbers of chunks, and whether nobody was told of it."""

    session_id: str
    lost: list[int]
    doubled: list[int]
    untold: bool

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.untold)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_what_was_acknowledged_is_in_its_file_whatever_the_services_do(
    stack: Stack, proxy: Proxy, soak: Soak
) -> None:
    clients = soak.count("clients", few=4, many=12)
    each = 3 if soak.seconds else 1
    counts: Counter[str] = Counter(sessions=0, chunks=0, lost=0, doubled=0, untold=0)
    for seed in soak.seeds(few=1):
        draw = random.Random(seed)
        recordings = [
            planned(number, draw, large=soak.seconds > 0) for number in range(clients * each)
        ]
        with proxy.trouble(seed):
            await recorded(stack, recordings, clients=clients, seed=seed)
        findings = [await asyncio.to_thread(compared, stack, one) for one in recordings]
        counts.update(
            sessions=len(recordings),
            chunks=sum(len(one.acknowledged) for one in recordings),
            lost=sum(len(found.lost) for found in findings),
            doubled=sum(len(found.doubled) for found in findings),
            untold=sum(found.untold for found in findings),
        )
        soak.counts |= {**proxy.counts, **counts}
        print(soak)  # noqa: T201
        assert not any(findings), [found for found in findings if found]


def planned(number: int, draw: random.Random, *, large: bool) -> Recording:
    """One of 300 chunks is folded. Without numbers, as many one by one would take minutes."""
    numbered = number % 3 > 0
    totals = (5, 20, 50, *([300] if numbered else [])) if large else (5, 10, 20)
    return Recording(number, draw.choice(totals), numbered, wrapped=number % 2 > 0)


async def recorded(stack: Stack, recordings: list[Recording], *, clients: int, seed: int) -> None:
    """All of them, by so many clients at once."""
    waiting = iter(recordings)

    async def work(number: int) -> None:
        client = Client(stack, random.Random(f"{seed} {number}"))
        for one in waiting:
            await client.record(one)

    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(work(number))


def compared(stack: Stack, one: Recording) -> Finding:
    """What was acknowledged with what is in the file. AssertionError if something else is there, or
    if it is in another order.
    """
    info = stack.finished(one.session_id)
    assert info["status"] == "completed", info
    file = stack.download(info["download_url"]) if info["download_url"] else b""
    found = chunks_in(samples_of(file), session=one.number) if file else []
    assert found == sorted(found), (info, found)
    return Finding(
        one.session_id,
        lost=sorted(one.acknowledged - {*found}),
        doubled=[seq for seq, times in Counter(found).items() if times > 1],
        untold=not one.told,
    )
