"""Tells a live session's events, each once and in its place, whoever died before or lives still."""

from __future__ import annotations

import secrets
from collections import Counter
from typing import TYPE_CHECKING

from audioapi.analysis import metrics
from audioapi.analysis.events import compose
from audioapi.analysis.live import service, store
from audioapi.analysis.live.models import Status
from audioapi.analysis.models import EventType, Phase
from audioapi.clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audioapi.analysis.agents import Agents
    from audioapi.analysis.conversation import Turn
    from audioapi.analysis.live.models import LiveSession
    from audioapi.analysis.models import Conclusion, Event, Utterance
    from audioapi.problems import AudioApiError


_LOOKED_BACK = 100
"""Events in which what is said of the utterances that go on is found: one a second each, and those
of the other speaker's meanwhile."""


class EventLog:
    """Takes the session over when it is made: whoever had it before can write nothing any more.
    Raises FencedOutError, as everything does here, if the session has ended, or once another one
    took it over.
    """

    def __init__(self, session: LiveSession) -> None:
        self._session_id = session.session_id
        self._conversation_id = session.conversation_id
        self._uncounted: Counter[EventType] = Counter()
        self.token = secrets.token_hex(16)
        cursor = store.take_over(self._session_id, self.token)
        if cursor is None or cursor.ended:
            raise store.FencedOutError(self._session_id)
        self.cursor = cursor
        before = max(cursor.next_event - 1 - _LOOKED_BACK, 0)
        told = cursor.next_event - 1 - before
        last = store.events_after(self._session_id, before, limit=told)
        self._partials = [it.event for it in last if it.event.type is EventType.PARTIAL_TRANSCRIPT]

    def begin(self) -> None:
        """Tells that there is sound, unless that was told."""
        if self.cursor.next_event == len(service.OPENING) + 1:
            self._append([compose.status(Phase.PROCESSING, progress=0.0)])

    def tell(self, turn: Turn, agents: Agents) -> None:
        """Tells of an utterance, and keeps it when it's over. What is said of one while it goes on
        comes again in the next run, and is told only if it is new.
        """
        if new := [event for event in turn.events if not self._was_told(event)]:
            self._append(new, turn.utterance)
        if turn.utterance:
            self._count(agents)

    def conclude(self, conclusion: Conclusion, agents: Agents) -> None:
        """Tells the end of a session that was finalized."""
        completed = compose.status(Phase.COMPLETED, progress=1.0)
        self._end([compose.summary(conclusion), completed], Status.COMPLETED)
        self._count(agents)

    def fail(self, problem: AudioApiError, *, cancelled: bool = False) -> None:
        """Tells any other end."""
        self._end([compose.failure(problem)], Status.CANCELLED if cancelled else Status.FAILED)
        self._count()

    def rest(self, *, heard_chunks: int) -> None:
        """Notes that nothing is left to do until there are more chunks than these."""
        store.rest(self._session_id, self.token, heard_chunks=heard_chunks)
        self._count()

    def _was_told(self, event: Event) -> bool:
        if event not in self._partials:
            return False
        self._partials.remove(event)  # the same may be said again later
        return True

    def _append(self, events: Sequence[Event], utterance: Utterance | None = None) -> None:
        self.cursor = store.append(
            self._session_id, self.token, self.cursor, events, utterance=utterance, now=now_ms()
        )
        self._uncounted.update(event.type for event in events)

    def _end(self, events: Sequence[Event], outcome: Status) -> None:
        last = [*events, compose.done(self._conversation_id)]
        self.cursor = store.end(
            self._session_id, self.token, self.cursor, last, outcome, now=now_ms()
        )
        self._uncounted.update(event.type for event in last)

    def _count(self, agents: Agents | None = None) -> None:
        """What was told since it was counted last, in one request."""
        latencies = agents.take_latencies() if agents else {}
        metrics.count(events=self._uncounted, latencies=latencies)
        self._uncounted.clear()
