"""Streaming audio into a session."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Self

from audio_client import frames
from audio_client.endpoint import Endpoint
from audio_client.errors import (
    AudioClientError,
    NotConnectedError,
    ProcessingFailedError,
    StalledError,
)
from audio_client.frames import Frame, Kind
from audio_client.session import Progress, Session
from audio_client.settings import Retry, Settings
from audio_client.sources import Source, pieces

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from websockets.asyncio.client import ClientConnection

logger = logging.getLogger(__name__)


class AudioStreamer:
    """One session at a time, new or resumed, kept through lost connections.

    The published class's methods wait for each chunk's acknowledgement; `send`, `flush` and
    `stream` keep up to `window` chunks in flight. Whatever is unacknowledged is sent again until
    the server has it. Where nothing moves for `timeout` seconds, whoever waits gets a StalledError
    and may wait again with `flush`.

    `base_url` ends in /api, or is the address of a WebSocket API itself,
    wss://{id}.execute-api.{region}.amazonaws.com/{stage}. That one doesn't tell where the HTTP API
    is, which is asked for the file when the connection is gone: `http_url`, up to /api.

    As a context manager it closes the session at the end, but only disconnects after an exception.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, each with its own reason to change
        self,
        base_url: str = "ws://localhost:8000/api",
        *,
        api_key: str | None = None,
        token: str | None = None,
        http_url: str | None = None,
        window: int = 16,
        timeout: float = 60.0,
        retry: Retry | None = None,
    ) -> None:
        if window < 1:
            raise ValueError(f"A window of {window} chunks lets none pass")
        self.base_url = base_url
        self.session_id: str | None = None
        self._endpoint = Endpoint.of(base_url, http_url, api_key=api_key, token=token)
        self._settings = Settings(window, timeout, retry or Retry())
        self._session: Session | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            await self.close_session()
        else:
            await self._disconnect()

    @property
    def websocket(self) -> ClientConnection | None:
        """The connection, or the last one while it is being replaced; None without a session."""
        return self._session.websocket if self._session is not None else None

    @property
    def next_seq(self) -> int:
        """The number of the next chunk: how many chunks of ≤ 24,000 bytes came before it."""
        return self._attached().next_seq

    @property
    def has_gaps(self) -> bool:
        """Whether the session, when resumed, held chunks beyond `next_seq`.

        Then only the same audio, cut in the same places, may be sent from `next_seq` on.
        """
        return self._attached().has_gaps

    @property
    def is_closed(self) -> bool:
        """Whether the server has confirmed that the session is complete."""
        return self._session is not None and self._session.closed is not None

    async def create_session(
        self,
        user_id: str | None = None,
        sample_rate: int = 44100,
        channels: int = 1,
        format: str = "wav",  # noqa: A002 - the published name
    ) -> str:
        """Returns the session's id. `sample_rate` is in Hz."""
        await self._open(None, user_id, sample_rate=sample_rate, channels=channels, format=format)
        return self._attached().id

    async def connect_to_session(self, session_id: str, user_id: str | None = None) -> None:
        await self._open(session_id, user_id)

    async def send_audio_chunk(self, audio_data: bytes) -> Frame:
        """Returns the server's answer; the last one where the chunk takes several frames."""
        if not audio_data:
            raise ValueError("A chunk without audio")
        session = self._attached()
        sent = await session.send(audio_data)
        await session.wait(lambda: all(message.answer for message in sent))
        return sent[-1].answer or {}

    async def send(self, data: bytes) -> None:
        """Returns as soon as all of it is in the window.

        Raises ChunkRefusedError, once, for a chunk that the server refused since the last call, and
        StalledError. The data is taken all the same: `flush` waits on.
        """
        await self._attached().send(data)

    async def flush(self) -> None:
        """Returns when everything is acknowledged."""
        await self._attached().flush()

    async def stream(
        self, source: Source, *, on_progress: Callable[[Progress], None] | None = None
    ) -> Progress:
        """Sends all of `source`, and returns when it is acknowledged."""
        session = self._attached()
        session.on_progress = on_progress
        try:
            async with aclosing(pieces(source)) as data:
                async for piece in data:
                    await self.send(piece)
            await session.flush()
        finally:
            session.on_progress = None
        return session.progress

    async def finish(self) -> Frame:
        """Closes the session on the server, and stays connected for the news of its file."""
        return await self._attached().finish()

    async def wait_until_ready(self, timeout: float = 900.0) -> Frame:  # noqa: ASYNC109 - covers a loop of waits
        """Closes the session if that isn't done, and waits up to `timeout` seconds for its file.

        Returns `file_path`, `duration_seconds` and `download_url`, also after `close_session`.
        """
        if self._session is None:
            raise NotConnectedError("Not connected to any session")
        outcome = await self._outcome(self._session, timeout)
        if frames.kind(outcome) is Kind.FAILED:
            raise ProcessingFailedError(str(outcome.get("error") or outcome["message"]))
        return outcome

    async def close_session(self) -> None:
        """Raises if any audio isn't acknowledged.

        A close that fails after that is only logged, as in the published class: the server closes
        an idle session by itself.
        """
        if self._session is None or self.session_id is None:
            return
        try:
            await self._session.flush()
            try:
                await self._session.finish()
            except AudioClientError as error:
                logger.warning("Error closing session: %s", error)
        finally:
            await self._disconnect()
            self.session_id = None

    async def _open(
        self, session_id: str | None, user_id: str | None, **parameters: str | int
    ) -> None:
        await self._disconnect()
        session = Session(self._endpoint, user_id, self._settings)
        await session.open(session_id, **parameters)
        self._session = session
        self.session_id = session.id

    async def _disconnect(self) -> None:
        if self._session is not None:
            await self._session.disconnect()

    def _attached(self) -> Session:
        if self._session is None:
            raise NotConnectedError("Not connected to any session")
        return self._session

    @staticmethod
    async def _outcome(session: Session, seconds: float) -> Frame:
        try:
            async with asyncio.timeout(seconds) as limit:
                return await session.ready()
        except TimeoutError:
            if limit.expired():
                raise StalledError(f"No file after {seconds:g} s") from None
            raise
