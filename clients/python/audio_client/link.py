"""A connection that is replaced when it drops, and sends everything until it is answered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed

from audio_client import frames
from audio_client.errors import ConnectionFailedError, SessionRefusedError
from audio_client.outbox import Outbox, Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.asyncio.client import ClientConnection

    from audio_client.endpoint import Endpoint
    from audio_client.frames import Frame
    from audio_client.settings import Settings

logger = logging.getLogger(__name__)

_LONGEST_PATIENCE = 60.0


class Link:
    """Sends every message, again where no answer comes, and hands every frame to `receive`.

    `over` tells whether a dropped connection needs no successor; `ended` hears why there is none.
    `trouble` is what went wrong last, in words.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: Settings,
        *,
        receive: Callable[[Frame], None],
        over: Callable[[], bool],
        ended: Callable[[BaseException | None], None],
    ) -> None:
        self.websocket: ClientConnection | None = None
        self.trouble = ""
        self._endpoint = endpoint
        self._retry = settings.retry
        self._receive = receive
        self._over = over
        self._ended = ended
        self._outbox = Outbox(settings.window)
        self._work = asyncio.Event()
        self._failures = 0
        self._slowest = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self, websocket: ClientConnection, again: str) -> None:
        """Takes over an open connection; `again` is the address of its successors."""
        self.websocket = websocket
        self._task = asyncio.create_task(self._keep_connected(websocket, again))
        self._task.add_done_callback(self._stopped)

    async def stop(self) -> None:
        websocket = self.websocket
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if websocket is not None:
            await websocket.close()

    @property
    def unanswered(self) -> int:
        return len(self._outbox)

    def numbers_below(self, number: int) -> list[int]:
        return self._outbox.numbers_below(number)

    def post(self, number: int, message: Outgoing) -> None:
        self._outbox.add(number, message)
        self._work.set()

    def settle(self, number: int, answer: Frame) -> Outgoing | None:
        message = self._outbox.settle(number, answer)
        if message is None:
            return None
        if message.attempts == 1:  # of one sent twice, nobody knows which is answered (RFC 6298, 3)
            self._slowest = max(_now() - message.sent, self._slowest * 0.9)
        self._failures = 0
        self.trouble = ""
        self._work.set()  # there is room for the next
        return message

    def resend_all(self) -> None:
        self._outbox.reschedule(_now())
        self._work.set()

    def resend_later(self, number: int) -> None:
        message = self._outbox.get(number)
        if message is not None:
            message.due = _now() + self._retry.delay(message.attempts)
            self._work.set()

    async def _keep_connected(self, websocket: ClientConnection, again: str) -> None:
        while True:
            self.websocket = websocket
            await self._converse(websocket)
            if self._over():
                return
            logger.warning("Connection lost: %s. Connecting again.", self.trouble)
            websocket = await self._reconnect(again)

    async def _converse(self, websocket: ClientConnection) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(websocket))
                group.create_task(self._write(websocket))
        except* ConnectionClosed as closed:
            self.trouble = str(closed.exceptions[0])

    async def _reconnect(self, url: str) -> ClientConnection:
        while True:
            await asyncio.sleep(self._retry.delay(self._failures))
            self._failures += 1
            try:
                websocket = await self._endpoint.connect(url)
            except (ConnectionFailedError, SessionRefusedError) as error:
                if isinstance(error, SessionRefusedError) and error.permanent:
                    raise
                self.trouble = str(error)
                logger.warning("%s", error)
            else:
                # The greeting tells what has to be sent again, but it might never come.
                self._outbox.reschedule(_now() + self._retry.ack_timeout)
                return websocket

    async def _read(self, websocket: ClientConnection) -> None:
        while True:
            self._receive(frames.parse(await websocket.recv()))

    async def _write(self, websocket: ClientConnection) -> None:
        keep_alive_at = _now() + self._retry.keepalive
        while True:
            if message := self._outbox.due(_now()):
                await self._transmit(message, websocket)
            elif _now() >= keep_alive_at:
                await websocket.send(frames.control("keepalive"))
            else:
                await self._work_until(min(self._outbox.next_due(), keep_alive_at))
                continue
            keep_alive_at = _now() + self._retry.keepalive

    async def _transmit(self, message: Outgoing, websocket: ClientConnection) -> None:
        patience = max(self._retry.ack_timeout, 2 * self._slowest) * 2**message.attempts
        message.sent = _now()
        message.due = message.sent + min(patience, _LONGEST_PATIENCE)
        message.attempts += 1
        await websocket.send(message.text)

    async def _work_until(self, when: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(when):
                await self._work.wait()
        self._work.clear()

    def _stopped(self, task: asyncio.Task[None]) -> None:
        self.websocket = None
        self._ended(None if task.cancelled() else task.exception())


def _now() -> float:
    return asyncio.get_running_loop().time()
