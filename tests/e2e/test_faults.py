"""Twenty sessions stream while functions, workers and connections are killed: no chunk is lost.

FAULT_SECONDS says for how long (20, if nothing else is said; `make faults`: 120), FAULT_SEED which
faults come in which order. When they come is a matter of progress: after so many acknowledgements.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
import secrets
import struct
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import websockets
from websockets.exceptions import InvalidStatus, WebSocketException

from tests.audio import samples_of
from tests.e2e.stack import Stack, environment_of, pause, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = float(os.environ.get("FAULT_SECONDS", "20"))
SEED = int(os.environ.get("FAULT_SEED", "0")) or secrets.randbits(32)
CLIENTS = 20
WINDOW = 4
PATIENCE = 10
"""Seconds without an answer, after which a client connects again."""
LAST_SECONDS = 240
"""How long the last sessions may take: the sweeper may have to take up a close, minutes later."""

pytestmark = pytest.mark.timeout(SECONDS + LAST_SECONDS + 120)

CHUNK_SAMPLES = 400
_MARK = struct.Struct("<HH")


def chunk_of(session: int, seq: int) -> bytes:
    """Samples that tell whose they are and where they belong."""
    return _MARK.pack(session, seq) * (CHUNK_SAMPLES // 2)


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

    async def strike(self, seconds: float) -> None:
        """For so many seconds, once all clients are at work."""
        await self._progress(2 * CLIENTS)
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await self._progress(self._random.randint(3, 15))
                    await self._fault()
        finally:
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
        processes = await asyncio.to_thread(self._processes)
        chosen = [process for process, name in processes if which(name)]
        if not chosen:
            return 0
        try:
            self._random.choice(chosen).kill()
        except psutil.NoSuchProcess:
            return 0
        return 1

    def _processes(self) -> list[tuple[psutil.Process, str]]:
        """The stack's processes, and the functions that they serve, if they do."""
        return [
            (process, environment_of(process).get("AWS_LAMBDA_FUNCTION_NAME", ""))
            for process in psutil.Process(self._stack.pid).children(recursive=True)
        ]


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

    async def work(self, seed: int) -> None:
        draw = random.Random(seed)
        while not self._faults.over:
            total = draw.choice([5, 10, 20, 300])
            one = Recording(len(self._recordings), total, left_behind=draw.random() < 0.2)
            self._recordings.append(one)
            await self._record(one)

    async def _record(self, one: Recording) -> None:
        while not one.closed and not one.given_up:
            try:
                async with websockets.connect(self._address(one), open_timeout=PATIENCE) as socket:
                    self._faults.sockets.add(socket)
                    await Conversation(socket, one, self._faults).run()
            except InvalidStatus as refusal:
                # The answer to the close was lost with its connection.
                one.closed = b"Session already finalized" in (refusal.response.body or b"")
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
        async with asyncio.timeout(PATIENCE):
            frame: dict[str, Any] = json.loads(await self._socket.recv())
        return frame


def close(stack: Stack, one: Recording) -> None:
    """As somebody does who finds a session that its client left."""
    answer = stack.request("POST", f"/api/audio/sessions/{one.session_id}/close")
    assert answer.status == 200, answer.body


def found(stack: Stack, one: Recording, until: float) -> tuple[list[int], dict[str, Any]]:
    """The chunks that are in a session's file, in their order; and what is said of the session."""
    while (info := stack.session(one.session_id))["processing_status"] == "pending":
        assert time.monotonic() < until, info
        pause()
    assert info["status"] == "completed", info
    if not info["download_url"]:
        return [], info
    samples = samples_of(stack.download(info["download_url"]))
    size = 2 * CHUNK_SAMPLES
    blocks = [samples[at : at + size] for at in range(0, len(samples), size)]
    seqs = [_MARK.unpack_from(block)[1] for block in blocks]
    assert blocks == [chunk_of(one.number, seq) for seq in seqs], info
    return seqs, info


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that misses a killed worker after seconds, and tries a job as often as it takes."""
    with running(
        tmp_path_factory.mktemp("faults"),
        JobTimeoutSeconds=5,
        JobVisibilityTimeoutSeconds=5,  # some die before they could hold their job
        WorkerMissedSeconds=5,
        JobAttempts=1000,
        CloseSettleSeconds=0,
        MaxConcurrentSessions=10_000,
    ) as up:
        yield up


async def test_every_acknowledged_chunk_is_in_its_file(stack: Stack) -> None:
    print(f"FAULT_SECONDS={SECONDS:g} FAULT_SEED={SEED}")  # noqa: T201 — to have it again
    faults = Faults(stack, SEED)
    recordings: list[Recording] = []
    client = Client(stack, faults, recordings)
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(client.work(SEED + number))
        with contextlib.suppress(TimeoutError):
            await faults.strike(SECONDS)

    until = time.monotonic() + LAST_SECONDS
    lost: dict[str, list[int]] = {}
    begun = [one for one in recordings if one.session_id]
    for one in begun:
        if not one.closed:
            close(stack, one)
    for one in begun:
        seqs, info = found(stack, one, until)
        assert seqs == sorted(set(seqs)), info
        assert one.left_behind or info["missing_chunks"] == [], info
        if missing := one.acknowledged - {*seqs}:
            lost[one.session_id] = sorted(missing)
    print(f"{dict(faults.counts)}, {len(begun)} sessions, lost: {lost or 0}")  # noqa: T201
    assert lost == {}
    assert faults.counts["chunks acknowledged"] > 0
