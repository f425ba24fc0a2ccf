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
_FOLDED_CHUNKS = 64
_FOLDED_BYTES = 4 * 1024 * 1024
_READ_AHEAD = 8
_ENDED = (Status.COMPLETED, Status.FAILED)


class IdleError(Exception):
    """All that came was heard, and nothing more has come for a while."""


class OutOfTimeError(Exception):
    """The function ends soon."""


class Chunks:
    """Gives the bytes of a session's chunks in order, until it is finalized. An empty block says
    that the next chunk isn't there yet.

    Many chunks that were handed on are put together into one object, a fold: the next run, which
    begins with the first chunk again, would have to fetch each of them, and the one after it.

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
        self._folds = store.folds(session.session_id)
        self._loose: list[bytes] = []  # the last of what was handed on, in no fold yet

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
        return (data for _, data in self._read(0))

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
        for number, (count, data) in enumerate(self._read(self.taken), start=1):
            if number % _LOOKS_EVERY == 0:
                self._look()  # a backlog takes long, and may not be wanted any more
            yield data
            self.taken += count
            now = time.monotonic()
            self._rhythm, self._last_taken = now - self._last_taken, now
            if count == 1:
                self._fold(data)

    def _read(self, start: int) -> Iterator[tuple[int, bytes]]:
        """What there is from chunk number `start` on, and of how many chunks each piece is."""
        pieces = []
        while start in self._folds:
            last = self._folds[start]
            pieces.append((last - start + 1, self.session.fold_key(start, last)))
            start = last + 1
        pieces += [(1, key) for key in store.chunk_keys(self.session, start)]
        found = objects.read_in_order(
            settings.analysis().audio_bucket, [key for _, key in pieces], ahead=_READ_AHEAD
        )
        for (count, _), data in zip(pieces, found, strict=True):
            self.check_time()
            yield count, data

    def _fold(self, chunk: bytes) -> None:
        """Notes the chunk that was handed on last, and folds it with those before it once they are
        enough.
        """
        self._loose.append(chunk)
        enough = len(self._loose) == _FOLDED_CHUNKS or sum(map(len, self._loose)) > _FOLDED_BYTES
        if not enough:
            return
        first, last = self.taken - len(self._loose), self.taken - 1
        objects.put(
            settings.analysis().audio_bucket,
            self.session.fold_key(first, last),
            b"".join(self._loose),
            content_type="application/octet-stream",
        )
        store.note_fold(self.session.session_id, first, last, now=now_ms())
        self._folds[first] = last
        self._loose = []

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
