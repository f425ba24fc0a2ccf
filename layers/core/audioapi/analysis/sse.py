"""Server-sent events: how they are written, and a response that streams them.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
import secrets
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync
from starlette.responses import StreamingResponse

from audioapi.analysis import logs, metrics, telling
from audioapi.observe import logger, measure
from audioapi.problems import StreamFailureError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from starlette.types import Send

    from audioapi.analysis.models import Event

HEARTBEAT_SECONDS = 10.0
_RETRY = "retry: 1000\n\n"
_KEEPALIVE = b": keepalive\n\n"
_HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}


def encode(event: Event, event_id: str | None = None) -> bytes:
    """The event's lines; JSON has no line breaks of its own."""
    identified = "" if event_id is None else f"id: {event_id}\n"
    data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
    return f"{identified}event: {event.type}\ndata: {data}\n\n".encode()


_FAILED = encode(telling.failure(StreamFailureError("The stream failed; connect again to resume")))


class EventStream(StreamingResponse):
    """Sends what `frames` gives as it comes, and a comment every ten seconds, so that nobody on the
    way takes the silence for an end. Frames are not asked for faster than they are taken. When the
    caller leaves, or after `seconds`, `frames` is closed.

    `begin_at` is the id that a consumer resumes by who is cut off before its first event, `about`
    the conversation. If `frames` fails, an `error` event is the last one.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncGenerator[bytes],
        *,
        begin_at: str | None = None,
        resumed: bool = False,
        seconds: float | None = None,
        about: str = "",
    ) -> None:
        super().__init__(frames, headers=_HEADERS)
        self._frames = frames
        # An id without data becomes the Last-Event-ID, and tells nobody anything.
        self._head = _RETRY + ("" if begin_at is None else f"id: {begin_at}\n\n")
        self._seconds = seconds
        self._about = about
        self._tally = _Tally(resumed=resumed)

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            await _write(send, self._head.encode())
            with anyio.move_on_after(self._seconds):
                await self._pass_on(send)
        finally:
            with anyio.CancelScope(shield=True):
                await run_sync(self._tally.close)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pass_on(self, send: Send) -> None:
        async with anyio.create_task_group() as tasks, aclosing(self._frames):
            tasks.start_soon(self._beat, send)
            try:
                async for frame in self._frames:
                    await _write(send, frame)
                    self._tally.sent(frame)
            except Exception:  # noqa: BLE001 — the outermost edge: a status was sent long since
                with logs.about(self._about):
                    logger.exception("stream failed")
                await _write(send, _FAILED)
            tasks.cancel_scope.cancel()

    async def _beat(self, send: Send) -> None:
        await run_sync(self._tally.open)
        while True:
            await _write(send, _KEEPALIVE)
            await run_sync(self._tally.renew)
            await anyio.sleep(HEARTBEAT_SECONDS)


async def in_thread(frames: Generator[bytes]) -> AsyncGenerator[bytes]:
    """What a generator that computes or waits gives, each in a thread. It is closed once nobody
    wants more of it: at the latest when it gives its next.
    """
    try:
        while (frame := await run_sync(next, frames, None)) is not None:
            yield frame
    finally:
        with anyio.CancelScope(shield=True):
            await run_sync(frames.close)


async def _write(send: Send, frame: bytes) -> None:
    await send({"type": "http.response.body", "body": frame, "more_body": True})


class _Tally:
    """Counts one stream: that somebody listens, and what was sent."""

    def __init__(self, *, resumed: bool) -> None:
        self._consumer = metrics.Consumer(secrets.token_hex(8))
        self._resumed = resumed
        self._events = self._bytes = 0

    def sent(self, frame: bytes) -> None:
        self._events += 1
        self._bytes += len(frame)

    def open(self) -> None:
        metrics.count(streams={"opened": 1, "resumed": int(self._resumed)})

    def renew(self) -> None:
        self._consumer.renew()

    def close(self) -> None:
        self._consumer.leave()
        metrics.count(streams={"closed": 1, "events_sent": self._events, "bytes_sent": self._bytes})
        measure({"SseConsumers": 1, "SseEvents": self._events})
