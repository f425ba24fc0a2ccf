"""A live session's media: the chunks that are there, and then each one as it comes."""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING

from audioapi import objects, settings
from audioapi.analysis.live import store
from audioapi.analysis.live.models import Status
from audioapi.clock import now_ms
from audioapi.problems import StreamFailureError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audioapi.analysis.live.models import LiveSession

_SOON_SECONDS = 0.03
_LATER_SECONDS = 0.2
_LOOKS_EVERY = 64
_ENDED = (Status.COMPLETED, Status.FAILED)


class IdleError(Exception):
    """All that came was heard, and nothing more has come for a while."""


class OutOfTimeError(Exception):
    """The function ends soon."""


class Chunks:
    """Gives the bytes of a session's chunks in order, until it is finalized. An empty block says
    that the next chunk isn't there yet.

    Raises StreamFailureError once the session is cancelled or has expired, IdleError, after
    `ends_at` (of `time.monotonic`) OutOfTimeError, and FencedOutError if the session has ended
    otherwise. `taken` counts the chunks that were handed on, `session` is as it was seen last.
    """

    def __init__(self, session: LiveSession, *, ends_at: float) -> None:
        self.session = session
        self.taken = 0
        self._ends_at = ends_at
        # Two, as two threads write them: who reads chunks, and who hears what is in them.
        self._last_taken = self._last_heard = time.monotonic()
        self._rhythm = _LATER_SECONDS

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self._look()
            if self.taken < self.session.next_chunk_seq:
                yield from self._new()
            elif self.session.status is Status.FINALIZING:
                return
            else:
                self._check_idle()
                yield b""
                time.sleep(self._pause())

    @contextlib.contextmanager
    def being_heard(self) -> Iterator[None]:
        """As long as something is made of what was handed on, the session isn't idle."""
        self._last_heard = math.inf
        try:
            yield
        finally:
            self._last_heard = time.monotonic()

    def again(self) -> Iterator[bytes]:
        """The bytes of all chunks that are there."""
        return self._read(0)

    def check_time(self) -> None:
        """Raises OutOfTimeError when no time is left to begin anything."""
        if time.monotonic() > self._ends_at:
            raise OutOfTimeError

    def _look(self) -> None:
        session = store.get(self.session.session_id)
        if session is None or session.status in _ENDED:
            raise store.FencedOutError(self.session.session_id)
        self.session = session
        if session.status is Status.CANCELLED:
            raise StreamFailureError(session.reason or "Live session cancelled")
        if session.status is Status.EXPIRED or _expires(session):
            raise StreamFailureError("Live session expired")

    def _new(self) -> Iterator[bytes]:
        for number, chunk in enumerate(self._read(self.taken), start=1):
            if number % _LOOKS_EVERY == 0:
                self._look()  # a backlog takes long, and may not be wanted any more
            yield chunk
            self.taken += 1
            now = time.monotonic()
            self._rhythm, self._last_taken = now - self._last_taken, now

    def _read(self, start: int) -> Iterator[bytes]:
        keys = store.chunk_keys(self.session, start)
        for chunk in objects.read_in_order(settings.analysis().audio_bucket, keys):
            self.check_time()
            yield chunk

    def _pause(self) -> float:
        """Until the next chunk should come, as long after the last as that after the one before;
        short then, but not for long if it doesn't.
        """
        late = time.monotonic() - self._last_taken - self._rhythm
        if late < self._rhythm:
            return min(max(-late, _SOON_SECONDS), _LATER_SECONDS)
        return _LATER_SECONDS

    def _check_idle(self) -> None:
        self.check_time()
        idle = time.monotonic() - max(self._last_taken, self._last_heard)
        if idle > settings.live().live_idle_seconds:
            raise IdleError


def _expires(session: LiveSession) -> bool:
    """Whether the session's time is over, which is then final."""
    now = now_ms()
    return session.expires_at <= now and store.expire(session.session_id, now=now)
