"""One session on the server: what its frames mean, and what has become of the audio given."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed

from audio_client import frames
from audio_client.errors import (
    ChunkRefusedError,
    ConnectionFailedError,
    NotConnectedError,
    SessionRefusedError,
    StalledError,
)
from audio_client.frames import Frame, Kind
from audio_client.link import Link
from audio_client.outbox import Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.asyncio.client import ClientConnection

    from audio_client.endpoint import Endpoint
    from audio_client.settings import Settings

logger = logging.getLogger(__name__)

_CLOSE = sys.maxsize  # the close is numbered too, behind every chunk
_GREETING_TIMEOUT = 30.0  # it comes through a queue, maybe from a cold function
_NOTICE_PATIENCE = 15  # polls that a connection's own notice is given before asking all the same


@dataclass(frozen=True, slots=True)
class Progress:
    """What this client gave to the session, and what of it is safe on the server."""

    bytes_sent: int = 0
    bytes_acked: int = 0
    chunks_acked: int = 0


class Session:
    """Gives each chunk a number, so that the server may answer in any order.

    A numbered chunk is stored once, however often it is sent.
    """

    def __init__(self, endpoint: Endpoint, user_id: str | None, settings: Settings) -> None:
        self.id = ""
        self.next_seq = 0
        self.has_gaps = False
        self.closed: Frame | None = None
        self.outcome: Frame | None = None
        self.progress = Progress()
        self.on_progress: Callable[[Progress], None] | None = None
        self._endpoint = endpoint
        self._user_id = user_id
        self._settings = settings
        self._link = Link(
            endpoint, settings, receive=self._receive, over=self._is_over, ended=self._ended
        )
        self._refusals: deque[ChunkRefusedError] = deque()
        self._failure: BaseException | None = None
        self._changed = asyncio.Event()

    @property
    def websocket(self) -> ClientConnection | None:
        return self._link.websocket

    async def open(self, session_id: str | None, **parameters: str | int) -> None:
        """Raises SessionRefusedError or ConnectionFailedError, without another try."""
        url = self._endpoint.session_url(session_id, user_id=self._user_id, **parameters)
        websocket = await self._endpoint.connect(url)
        try:
            greeting = await _greeting(websocket)
        except BaseException:
            await websocket.close()
            raise
        chunk_count = int(greeting["chunk_count"])
        self.id = str(greeting["session_id"])
        self.next_seq = int(greeting.get("next_seq", chunk_count))
        self.has_gaps = chunk_count != self.next_seq
        self._link.start(websocket, self._endpoint.session_url(self.id, user_id=self._user_id))

    async def disconnect(self) -> None:
        """Leaves the session as it is on the server."""
        await self._link.stop()

    async def send(self, data: bytes) -> list[Outgoing]:
        """Takes all of the data at once, and waits until the window has no more than it holds."""
        if self._failure is not None:
            raise self._failure
        sent = [self._post(piece) for piece in frames.cut(data)]
        await self.wait(lambda: self._link.unanswered <= self._settings.window)
        return sent

    async def flush(self) -> None:
        await self.wait(lambda: not self._link.numbers_below(_CLOSE))

    async def finish(self) -> Frame:
        """Closes the session on the server once everything is there, and stays connected."""
        await self.flush()
        if self.closed is None:
            close = frames.control("close_session", chunk_count=self.next_seq)
            self._link.post(_CLOSE, Outgoing(close))
        try:
            await self.wait(lambda: self.closed is not None)
        except SessionRefusedError as refusal:
            self._close(await self._closed_meanwhile(refusal))
        return self.closed or {}

    async def ready(self) -> Frame:
        """What the server says about the file: on the connection, or asked over HTTP."""
        await self.flush()
        if self.websocket is not None:
            await self.finish()
        while self.outcome is None:
            polls = 1 if self.websocket is None else _NOTICE_PATIENCE
            with contextlib.suppress(TimeoutError):
                await self._change(self._settings.retry.poll * polls)
            if self.outcome is None and (outcome := await self._ask()):
                self._conclude(outcome)
        return self.outcome

    async def wait(self, done: Callable[[], bool]) -> None:
        """For as long as the server gets something done: StalledError otherwise.

        A chunk that was refused is raised here, once.
        """
        while True:
            if self._refusals:
                raise self._refusals.popleft()
            if done():
                return
            if self._failure is not None:
                raise self._failure
            try:
                await self._change(self._settings.timeout)
            except TimeoutError:
                raise StalledError(self._stall()) from None

    def _post(self, piece: bytes) -> Outgoing:
        message = Outgoing(frames.audio(self.next_seq, piece), size=len(piece))
        self._link.post(self.next_seq, message)
        self.next_seq += 1
        self._advance(bytes_sent=len(piece))
        return message

    def _receive(self, frame: Frame) -> None:
        seq = frame.get("seq", -1)
        match frames.kind(frame):
            case Kind.GREETING:
                self._resume(frame)
            case Kind.ACK:
                self._acknowledge(seq, frame)
            case Kind.REFUSAL:
                self._refuse(seq, frame)
            case Kind.TRY_AGAIN:
                self._link.resend_later(seq)
            case Kind.CLOSED:
                self._close(frame)
            case Kind.READY | Kind.FAILED:
                self._conclude(frame)
            case Kind.TROUBLE:
                logger.warning("The server had a problem: %s", frame)
            case Kind.OTHER:
                logger.debug("The server says: %s", frame)

    def _resume(self, greeting: Frame) -> None:
        for seq in self._link.numbers_below(int(greeting.get("next_seq", 0))):
            self._acknowledge(seq, {**greeting, "message": frames.PROCESSED, "seq": seq})
        self._link.resend_all()

    def _acknowledge(self, seq: int, ack: Frame) -> None:
        message = self._link.settle(seq, ack)
        if message is not None:
            self._advance(bytes_acked=message.size, chunks_acked=1)
            self._tell()

    def _refuse(self, seq: int, frame: Frame) -> None:
        """One that names no chunk counts for all: whoever waits next hears of it."""
        if "seq" not in frame or self._link.settle(seq, frame) is not None:
            self._refusals.append(ChunkRefusedError(str(frame["error"]), frame.get("seq")))
            self._tell()

    def _close(self, frame: Frame) -> None:
        self._link.settle(_CLOSE, frame)
        self.closed = self.closed or frame
        self._tell()

    def _conclude(self, outcome: Frame) -> None:
        self.outcome = outcome
        self._close(outcome)

    def _advance(self, *, bytes_sent: int = 0, bytes_acked: int = 0, chunks_acked: int = 0) -> None:
        self.progress = Progress(
            self.progress.bytes_sent + bytes_sent,
            self.progress.bytes_acked + bytes_acked,
            self.progress.chunks_acked + chunks_acked,
        )
        if self.on_progress is not None:
            self.on_progress(self.progress)

    def _is_over(self) -> bool:
        return self.closed is not None and not self._link.unanswered

    def _ended(self, error: BaseException | None) -> None:
        self._failure = error or NotConnectedError("Not connected to any session")
        self._tell()

    def _tell(self) -> None:
        """Wakes all who wait for a change; the next change is another event."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self, within: float) -> None:
        async with asyncio.timeout(within):
            await self._changed.wait()

    def _stall(self) -> str:
        trouble = self._link.trouble or "the server doesn't answer"
        return (
            f"No progress for {self._settings.timeout:g} s, "
            f"{self._link.unanswered} messages unacknowledged: {trouble}"
        )

    async def _ask(self) -> Frame | None:
        if self._endpoint.http_url is None:
            if self.websocket is None:
                raise ConnectionFailedError("Connection lost, and no http_url to ask for the file")
            return None
        try:
            return frames.outcome(await self._endpoint.session_info(self.id))
        except (ConnectionFailedError, SessionRefusedError) as error:
            if isinstance(error, SessionRefusedError) and error.permanent:
                raise
            logger.warning("%s", error)
            return None

    async def _closed_meanwhile(self, refusal: SessionRefusedError) -> Frame:
        """A close's answer may be lost with its connection, and a closed session takes no other."""
        if self._endpoint.http_url is None:
            raise refusal
        info = await self._endpoint.session_info(self.id)
        if info.get("status") == "active":
            raise refusal
        return info


async def _greeting(websocket: ClientConnection) -> Frame:
    try:
        async with asyncio.timeout(_GREETING_TIMEOUT):
            while True:
                frame = frames.parse(await websocket.recv())
                if frames.kind(frame) is Kind.GREETING:
                    return frame
    except TimeoutError:
        raise ConnectionFailedError("Connected, but the server sent no greeting") from None
    except ConnectionClosed as error:
        raise ConnectionFailedError(f"The server closed the connection: {error}") from error
