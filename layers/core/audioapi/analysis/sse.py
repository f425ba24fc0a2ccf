"""Server-sent events: how they are written, and a response that streams them.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio
from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from starlette.types import Send

    from audioapi.analysis.models import Event

HEARTBEAT_SECONDS = 10.0
RETRY = b"retry: 1000\n\n"
KEEPALIVE = b": keepalive\n\n"
_HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}


def encode(event: Event, event_id: str | None = None) -> bytes:
    """The event's lines; JSON has no line breaks of its own."""
    identified = "" if event_id is None else f"id: {event_id}\n"
    data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
    return f"{identified}event: {event.type}\ndata: {data}\n\n".encode()


def position(event_id: str) -> bytes:
    """Where a consumer resumes from that has heard no event yet: sets its Last-Event-ID, and tells
    it nothing.
    """
    return f"id: {event_id}\n\n".encode()


class EventStream(StreamingResponse):
    """Sends what `frames` gives as it comes, and a comment every ten seconds, so that nothing on
    the way takes the silence for an end. Frames are not asked for faster than they are taken. When
    the caller leaves, `frames` is closed.
    """

    media_type = "text/event-stream"

    def __init__(
        self, frames: AsyncGenerator[bytes], *, heartbeat: float = HEARTBEAT_SECONDS
    ) -> None:
        super().__init__(frames, headers=_HEADERS)
        self._frames = frames
        self._heartbeat = heartbeat

    async def stream_response(self, send: Send) -> None:
        async def write(frame: bytes) -> None:
            await send({"type": "http.response.body", "body": frame, "more_body": True})

        async def beat() -> None:
            while True:
                await write(KEEPALIVE)
                await anyio.sleep(self._heartbeat)

        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await write(RETRY)
        async with anyio.create_task_group() as tasks, aclosing(self._frames):
            tasks.start_soon(beat)
            async for frame in self._frames:
                await write(frame)
            tasks.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def in_thread(frames: Generator[bytes, None, object]) -> AsyncGenerator[bytes]:
    """What a generator that computes or waits gives, each in a thread. It is closed once nobody
    wants more of it: at the latest when it gives its next.
    """
    try:
        while (frame := await anyio.to_thread.run_sync(next, frames, None)) is not None:
            yield frame
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(frames.close)
