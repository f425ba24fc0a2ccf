"""Server-sent events: how they are written, and a response that streams them.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
import secrets
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from anyio.to_thread import run_sync
from starlette.responses import StreamingResponse

from audioapi.analysis import logs, metrics
from audioapi.analysis.events import compose
from audioapi.clock import now_ms
from audioapi.observe import logger, measure
from audioapi.problems import StreamFailureError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from starlette.types import Send

    from audioapi.analysis.models import Event

HEARTBEAT_SECONDS = 10.0
_RETRY = b"retry: 1000\n\n"
_KEEPALIVE = b": keepalive\n\n"
_FAILED = StreamFailureError("The stream failed; connect again to resume")
_HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}


@dataclass(frozen=True)
class Frame:
    """An event as it is sent: with the id that its consumer resumes by, and when somebody told it
    to be sent (epoch milliseconds), if that was somewhere else.
    """

    event: Event
    id: str | None = None
    told_at: int | None = None

    def encode(self) -> bytes:
        """Its lines; JSON has no line breaks of its own."""
        identified = "" if self.id is None else f"id: {self.id}\n"
        data = json.dumps(self.event.data, ensure_ascii=False, separators=(",", ":"))
        return f"{identified}event: {self.event.type}\ndata: {data}\n\n".encode()


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
        frames: AsyncGenerator[Frame],
        *,
        begin_at: str | None = None,
        resumed: bool = False,
        seconds: float | None = None,
        about: str = "",
    ) -> None:
        super().__init__((), headers=_HEADERS)
        self._frames = frames
        # An id without data becomes the Last-Event-ID, and tells nobody anything.
        self._head = _RETRY + (b"" if begin_at is None else f"id: {begin_at}\n\n".encode())
        self._seconds = seconds
        self._about = about
        self._tally = _Tally(resumed=resumed)

    async def stream_response(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            await _write(send, self._head)
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
                    data = frame.encode()
                    await _write(send, data)
                    self._tally.sent(len(data), frame.told_at)
            except Exception:  # noqa: BLE001 — the outermost edge: a status was sent long since
                with logs.about(self._about):
                    logger.exception("stream failed")
                await _write(send, Frame(compose.failure(_FAILED)).encode())
            tasks.cancel_scope.cancel()

    async def _beat(self, send: Send) -> None:
        await run_sync(self._tally.open)
        while True:
            await _write(send, _KEEPALIVE)
            await run_sync(self._tally.renew)
            await anyio.sleep(HEARTBEAT_SECONDS)


async def in_thread(frames: Generator[Frame]) -> AsyncGenerator[Frame]:
    """What a generator that computes or waits gives, each in a thread. It is closed once nobody
    wants more of it: at the latest when it gives its next.
    """
    try:
        while (frame := await run_sync(next, frames, None)) is not None:
            yield frame
    finally:
        with anyio.CancelScope(shield=True):
            await run_sync(frames.close)


async def _write(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


class _Tally:
    """Counts one stream: that somebody listens, what was sent, and how late. What was told before
    anybody listened isn't late.
    """

    def __init__(self, *, resumed: bool) -> None:
        self._consumer = metrics.Consumer(secrets.token_hex(8))
        self._resumed = resumed
        self._since = now_ms()
        self._delays_ms: list[float] = []
        self._events = self._bytes = 0

    def sent(self, size: int, told_at: int | None) -> None:
        self._events += 1
        self._bytes += size
        if told_at is not None and told_at >= self._since:
            self._delays_ms.append(now_ms() - told_at)

    def open(self) -> None:
        metrics.count(streams={"opened": 1, "resumed": int(self._resumed)})

    def renew(self) -> None:
        self._consumer.renew()

    def close(self) -> None:
        self._consumer.leave()
        metrics.count(
            streams={"closed": 1, "events_sent": self._events, "bytes_sent": self._bytes},
            delivery_ms=self._delays_ms,
        )
        measure({"SseConsumers": 1, "SseEvents": self._events})
