"""The wire protocol in a few lines, for tests that say exactly what goes over it."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import websockets

from audio_client import AudioStreamer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.e2e.stack import Stack

CLOSE = json.dumps({"type": "control", "action": "close_session"})
WITHOUT_LIMITS: dict[str, Any] = {"open_timeout": None, "ping_interval": None}
"""A connection's own patience would be measured against a busy machine."""


class Wire:
    """A connection, its session's id, and the greeting it got."""

    def __init__(self, websocket: websockets.ClientConnection, greeting: dict[str, Any]) -> None:
        self.websocket = websocket
        self.greeting = greeting
        self.session_id: str = greeting["session_id"]

    async def send(self, message: str | bytes) -> None:
        await self.websocket.send(message)

    async def receive(self, *, seconds: float | None = None) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            frame: dict[str, Any] = json.loads(await self.websocket.recv())
        return frame

    async def ask(self, message: str | bytes) -> dict[str, Any]:
        await self.send(message)
        return await self.receive()


@asynccontextmanager
async def connected(stack: Stack, session_id: str = "", **query: object) -> AsyncIterator[Wire]:
    path = f"/api/ws/audio/{session_id}" if session_id else "/api/ws/audio"
    parameters = "&".join(f"{name}={value}" for name, value in query.items())
    async with websockets.connect(
        f"{stack.ws_url}{path}?{parameters}", **WITHOUT_LIMITS
    ) as websocket:
        yield Wire(websocket, json.loads(await websocket.recv()))


def chunk(data: bytes, seq: int | None = None) -> str:
    message: dict[str, Any] = {"type": "audio", "data": base64.b64encode(data).decode()}
    return json.dumps(message if seq is None else {**message, "seq": seq})


def streamer(stack: Stack) -> AudioStreamer:
    """Our own client, with a key and no patience to lose."""
    url = f"{stack.ws_url}/api"
    return AudioStreamer(url, api_key=stack.api_key, window=4, timeout=math.inf)
