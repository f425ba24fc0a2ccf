"""A server of the streaming protocol that behaves as badly as a real one may.

As behind API Gateway, every message is handled by itself, so that answers come in any order; what
goes wrong besides is set on the server by each test.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from websockets.http11 import Request, Response

Frame = dict[str, Any]


@dataclass
class Stored:
    """What the server keeps of a session."""

    id: str
    chunks: dict[int, bytes] = field(default_factory=dict)
    status: str = "active"
    announced_chunks: int | None = None

    @property
    def next_seq(self) -> int:
        return next(n for n in range(len(self.chunks) + 1) if n not in self.chunks)

    @property
    def audio(self) -> bytes:
        return b"".join(self.chunks[seq] for seq in sorted(self.chunks))

    def frame(self, message: str, **members: object) -> Frame:
        about = {"session_id": self.id, "chunk_count": len(self.chunks), "status": self.status}
        return {"message": message, **about, **members}


@dataclass
class FakeServer:
    # What goes wrong.
    drop_at: set[int] = field(default_factory=set)  # counts of chunk frames, over all connections
    stores_before_drop: bool = False
    crashes_on: set[int] = field(default_factory=set)  # seqs, the first time
    busy_on: set[int] = field(default_factory=set)  # seqs, the first time
    refuses_chunks: dict[int, str] = field(default_factory=dict)
    refusals: list[tuple[int, Frame | None]] = field(default_factory=list)  # of the next handshakes
    drops_on_close: bool = False
    fails_processing: str | None = None
    polls_before_ready: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)  # answers wait for it

    # What was seen.
    sessions: dict[str, Stored] = field(default_factory=dict)
    handshakes: list[Request] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    frame_sizes: list[int] = field(default_factory=list)
    in_flight: set[int] = field(default_factory=set)
    most_in_flight: int = 0
    port: int = 0
    connections: set[ServerConnection] = field(default_factory=set)
    random: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/api"

    @property
    def session(self) -> Stored:
        (session,) = self.sessions.values()
        return session

    @property
    def seqs(self) -> list[int]:
        """Of every chunk frame that came, in the order of coming."""
        return [frame["seq"] for frame in self.frames if frame["type"] == "audio"]

    @property
    def actions(self) -> list[str]:
        return [frame["action"] for frame in self.frames if frame["type"] == "control"]

    def open_session(self, *chunks: bytes) -> Stored:
        session = Stored(str(uuid.uuid4()), dict(enumerate(chunks)))
        self.sessions[session.id] = session
        return session

    def drop_connections(self) -> None:
        for connection in self.connections:
            connection.transport.abort()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[FakeServer]:
        async with serve(
            self._talk, "127.0.0.1", self.port, process_request=self._admit, close_timeout=0.1
        ) as server:
            self.port = _port(server)
            yield self
            self.gate.set()
            self.drop_connections()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        parts = urlsplit(request.path)
        if parts.path.startswith("/api/audio/sessions/"):
            return self._info(connection, parts.path.rsplit("/", 1)[-1])
        self.handshakes.append(request)
        if self.refusals:
            status, problem = self.refusals.pop(0)
            return connection.respond(status, json.dumps(problem) if problem else "")
        session = self.sessions.get(_session_id(request) or "")
        if _session_id(request) and (session is None or session.status != "active"):
            return connection.respond(404, json.dumps({"error": "Session not found"}))
        return None

    def _info(self, connection: ServerConnection, session_id: str) -> Response:
        session = self.sessions.get(session_id)
        if session is None:
            return connection.respond(404, json.dumps({"error": "Session not found"}))
        info = {**session.frame(""), "processing_status": "pending", "download_url": None}
        if session.status == "completed":
            self.polls_before_ready -= 1
        if session.status == "completed" and self.polls_before_ready < 0:
            info |= {"processing_status": "complete", **_file(session)}
        if self.fails_processing:
            info |= {"status": "error", "error": self.fails_processing}
        return connection.respond(200, json.dumps(info))

    async def _talk(self, connection: ServerConnection) -> None:
        session_id = _session_id(connection.request)
        session = self.sessions[session_id] if session_id else self.open_session()
        how = "resumed" if session_id else "created"
        self.connections.add(connection)
        with contextlib.suppress(ConnectionClosed):
            greeting = session.frame(f"Audio session {how}", next_seq=session.next_seq)
            await connection.send(json.dumps(greeting))
            async with asyncio.TaskGroup() as group:
                async for message in connection:
                    group.create_task(self._handle(connection, session, str(message)))
        self.connections.discard(connection)

    async def _handle(self, connection: ServerConnection, session: Stored, message: str) -> None:
        frame = json.loads(message)
        self.frame_sizes.append(len(message))
        self.frames.append(frame)
        with contextlib.suppress(ConnectionClosed):
            if frame["type"] == "audio":
                await self._take(connection, session, frame)
            elif frame["action"] == "close_session":
                await self._close(connection, session, frame)

    async def _take(self, connection: ServerConnection, session: Stored, frame: Frame) -> None:
        seq, dropping = frame["seq"], len(self.seqs) in self.drop_at
        self.in_flight.add(seq)
        self.most_in_flight = max(self.most_in_flight, len(self.in_flight))
        for _ in range(self.random.randrange(10)):
            await asyncio.sleep(0)
        await self.gate.wait()
        if not dropping or self.stores_before_drop:
            answer = self._store(session, seq, base64.b64decode(frame["data"], validate=True))
        self.in_flight.discard(seq)
        if dropping:
            connection.transport.abort()
        else:
            await connection.send(json.dumps(answer))

    def _store(self, session: Stored, seq: int, data: bytes) -> Frame:
        if seq in self.crashes_on:
            self.crashes_on.discard(seq)
            return {"message": "Internal server error", "connectionId": "c=", "requestId": "r="}
        failed = session.frame("Failed to process chunk", seq=seq) | {"status": "error"}
        if seq in self.busy_on:
            self.busy_on.discard(seq)
            return {**failed, "error": "Slow down", "retry": True}
        if seq in self.refuses_chunks:
            return {**failed, "error": self.refuses_chunks[seq]}
        assert session.chunks.setdefault(seq, data) == data, "other audio under the same number"
        return session.frame("Chunk processed successfully", seq=seq)

    async def _close(self, connection: ServerConnection, session: Stored, frame: Frame) -> None:
        session.status = "completed"
        session.announced_chunks = frame["chunk_count"]
        if self.drops_on_close:
            connection.transport.abort()
            return
        await connection.send(json.dumps(session.frame("Session closed successfully")))
        if self.polls_before_ready:
            connection.transport.abort()
            return
        await self.gate.wait()
        if self.fails_processing:
            failure = {"status": "error", "error": self.fails_processing}
            await connection.send(json.dumps({"message": "Audio processing failed", **failure}))
        else:
            message = "Audio file ready" if session.chunks else "No audio received"
            await connection.send(json.dumps(session.frame(message, **_file(session))))
        await connection.close()


def _file(session: Stored) -> Frame:
    if not session.chunks:
        return {"file_path": None, "duration_seconds": 0.0, "missing_chunks": []}
    name = f"audio_sessions/{session.id}.wav"
    url = f"http://127.0.0.1/bucket/{name}?signature=1"
    missing = sorted(set(range(max(session.chunks))) - set(session.chunks))
    about = {"file_path": name, "duration_seconds": 1.5, "lost_seconds": 0.0}
    return {**about, "missing_chunks": missing, "download_url": url}


def _session_id(request: Request | None) -> str | None:
    """From the path of the published form, or the query of API Gateway's own."""
    assert request is not None
    parts = urlsplit(request.path)
    if parts.path.startswith("/api/ws/audio/"):
        return parts.path.rsplit("/", 1)[-1]
    return parse_qs(parts.query).get("session_id", [None])[0]


def _port(server: Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port
