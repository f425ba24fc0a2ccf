"""Many sessions stream while functions, workers and connections are killed: no chunk is lost.

When faults come is a matter of progress: after so many acknowledgements.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import websockets
from websockets.exceptions import InvalidStatus, WebSocketException

from tests.audio import samples_of
from tests.e2e.marked import chunk_of, chunks_in
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.stack import Stack
    from tests.soak import Soak

WINDOW = 4
ANSWER_SECONDS = 10 * PATIENCE
"""Without an answer for so long, a client connects again: the greeting may have been killed."""


@dataclass
class Recording:
    """A session as its client knows it: `total` chunks it has, and which were acknowledged."""

    number: int
    total: int
    left_behind: bool
    session_id: str = ""
    acknowledged: set[int] = field(default_factory=set)
    closed: bool = False

    @property
    def missing(self) -> list[int]:
        return [seq for seq in range(self.total) if seq not in self.acknowledged]

    def cut_short(self, flying: set[int]) -> None:
        """Leaves it at the chunks that were sent."""
        self.total = 1 + max(self.acknowledged | flying, default=-1)

    @property
    def given_up(self) -> bool:
        """Whether its client is gone for good, in the middle."""
        return self.left_behind and len(self.acknowledged) > self.total // 2


class Faults:
    """Kills something each time that so many more chunks were acknowledged."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self.seed = seed
        self.counts: Counter[str] = Counter()
        self.sockets: set[websockets.ClientConnection] = set()
        self.over = False
        self._stack = stack
        self._random = random.Random(seed)
        self._left = 0
        self._due = asyncio.Event()

    def acknowledged(self) -> None:
        self.counts["chunks acknowledged"] += 1
        self._left -= 1
        if self._left <= 0:
            self._due.set()

    async def strike(self, times: int, *, clients: int) -> None:
        """So many times, once all clients are at work."""
        await self._progress(2 * clients)
        for _ in range(times):
            await self._fault()
            await self._progress(self._random.randint(3, 15))
        self.over = True

    async def _progress(self, chunks: int) -> None:
        self._left = chunks
        self._due.clear()
        await self._due.wait()

    async def _fault(self) -> None:
        """One kind of those that are possible now: workers are not always there."""
        for kind in self._random.sample(KINDS, k=len(KINDS)):
            if done := await kind(self):
                self.counts[kind.__name__] += done
                return

    async def messages_killed(self) -> int:
        return await self._kill(lambda name: name == "StreamMessageFunction")

    async def other_functions_killed(self) -> int:
        kept = ("StreamMessageFunction", "JobsWorkerFunction", "")
        return await self._kill(lambda name: name not in kept)

    async def workers_killed(self) -> int:
        return await self._kill(lambda name: name == "JobsWorkerFunction")

    async def connections_lost(self) -> int:
        """As a network loses them: nobody says goodbye."""
        for socket in self._random.sample([*self.sockets], k=min(2, len(self.sockets))):
            socket.transport.abort()
        return min(2, len(self.sockets))

    async def _kill(self, which: Callable[[str], bool]) -> int:
        below = await asyncio.to_thread(self._stack.serving)
        chosen = [process for process, name in below if which(name)]
        if not chosen:
            return 0
        try:
            self._random.choice(chosen).kill()
        except psutil.NoSuchProcess:
            return 0
        return 1


KINDS = (
    Faults.messages_killed,
    Faults.messages_killed,
    Faults.workers_killed,
    Faults.other_functions_killed,
    Faults.connections_lost,
)


class Client:
    """Records one session after the other, and sends what isn't acknowledged again and again."""

    def __init__(self, stack: Stack, faults: Faults, recordings: list[Recording]) -> None:
        self._stack = stack
        self._faults = faults
        self._recordings = recordings

    async def work(self, number: int) -> None:
        draw = random.Random(self._faults.seed + number)
        while not self._faults.over:
            total = draw.choice([5, 10, 20, 300])
            one = Recording(len(self._recordings), total, left_behind=draw.random() < 0.2)
            self._recordings.append(one)
            await self._record(one)

    async def _record(self, one: Recording) -> None:
        while not one.closed and not one.given_up:
            try:
                async with websockets.connect(
                    self._address(one), open_timeout=ANSWER_SECONDS, ping_interval=None
                ) as socket:
                    self._faults.sockets.add(socket)
                    await Conversation(socket, one, self._faults).run()
            except InvalidStatus:
                # The answer to the close was lost with its connection, or a function was killed.
                one.closed = await asyncio.to_thread(is_closed, self._stack, one)
            except (OSError, TimeoutError, WebSocketException):
                continue

    def _address(self, one: Recording) -> str:
        path = f"/{one.session_id}" if one.session_id else ""
        query = f"sample_rate=16000&api_key={self._stack.api_key}"
        return f"{self._stack.ws_url}/api/ws/audio{path}?{query}"


class Conversation:
    """One connection: up to WINDOW chunks are in flight."""

    def __init__(self, socket: websockets.ClientConnection, one: Recording, faults: Faults) -> None:
        self._socket = socket
        self._one = one
        self._faults = faults
        self._flying: set[int] = set()

    async def run(self) -> None:
        try:
            while not self._one.session_id:
                self._take(await self._receive())
            while not self._one.given_up and (missing := self._one.missing):
                if self._faults.over:
                    self._one.cut_short(self._flying)
                await self._send(missing)
                self._take(await self._receive())
            if not self._one.given_up:
                await self._close()
        finally:
            self._faults.sockets.discard(self._socket)

    async def _send(self, missing: list[int]) -> None:
        for seq in missing[:WINDOW]:
            if seq not in self._flying:
                self._flying.add(seq)
                data = base64.b64encode(chunk_of(self._one.number, seq)).decode()
                await self._socket.send(json.dumps({"type": "audio", "seq": seq, "data": data}))

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["message"].startswith("Audio session"):
            self._one.session_id = frame["session_id"]
            self._one.acknowledged.update(range(frame.get("next_seq", 0)))
        elif frame["message"] == "Chunk processed successfully":
            self._flying.discard(frame["seq"])
            self._one.acknowledged.add(frame["seq"])
            self._faults.acknowledged()
        elif frame["message"] == "Internal server error":
            self._flying.clear()  # it doesn't say which one it was
        else:
            assert frame.get("retry"), frame
            self._flying.discard(frame["seq"])

    async def _close(self) -> None:
        close = {"type": "control", "action": "close_session", "chunk_count": self._one.total}
        await self._socket.send(json.dumps(close))
        while (await self._receive())["message"] != "Session closed successfully":
            pass
        self._one.closed = True

    async def _receive(self) -> dict[str, Any]:
        async with asyncio.timeout(ANSWER_SECONDS):
            frame: dict[str, Any] = json.loads(await self._socket.recv())
        return frame


def is_closed(stack: Stack, one: Recording) -> bool:
    return bool(one.session_id) and stack.session(one.session_id).get("status") == "completed"


def close(stack: Stack, one: Recording) -> None:
    """As somebody does who finds a session that its client left."""
    answer = stack.request("POST", f"/api/audio/sessions/{one.session_id}/close")
    assert answer.status == 200, answer.body


def found(stack: Stack, one: Recording) -> tuple[list[int], dict[str, Any]]:
    """The chunks that are in a session's file, in their order; and what is said of the session.

    The sweeper may have to take up its close, minutes later.
    """
    info = stack.finished(one.session_id)
    assert info["status"] == "completed", info
    if not info["download_url"]:
        return [], info
    samples = samples_of(stack.download(info["download_url"]))
    return chunks_in(samples, session=one.number), info


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_every_acknowledged_chunk_is_in_its_file(tuned: Stack, soak: Soak) -> None:
    clients = soak.count("clients", few=3, many=20)
    times = soak.count("faults", few=6, many=100)
    for seed in soak.seeds(few=1):
        faults = Faults(tuned, seed)
        recordings = await recorded(tuned, faults, clients=clients, times=times)
        check(tuned, recordings)
        print(f"{dict(faults.counts)}, {len(recordings)} sessions")  # noqa: T201


async def recorded(stack: Stack, faults: Faults, *, clients: int, times: int) -> list[Recording]:
    """Sessions that were begun, and the faults that came meanwhile are over."""
    recordings: list[Recording] = []
    client = Client(stack, faults, recordings)
    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(client.work(number))
        await faults.strike(times, clients=clients)
    assert faults.counts["chunks acknowledged"] > 0
    return [one for one in recordings if one.session_id]


def check(stack: Stack, recordings: list[Recording]) -> None:
    """Every chunk that was acknowledged is in its session's file, once and in its place."""
    for one in recordings:
        if not one.closed:
            close(stack, one)
    lost: dict[str, list[int]] = {}
    for one in recordings:
        seqs, info = found(stack, one)
        assert seqs == sorted(set(seqs)), info
        assert one.left_behind or info["missing_chunks"] == [], info
        if missing := one.acknowledged - {*seqs}:
            lost[one.session_id] = sorted(missing)
    assert lost == {}
