"""Tells a live session's events, each once and in its place, whoever died before or lives still."""

from __future__ import annotations

import secrets
from collections import Counter
from typing import TYPE_CHECKING

from audioapi.analysis import metrics, telling
from audioapi.analysis.live import service, store
from audioapi.analysis.live.models import Status
from audioapi.analysis.models import Phase
from audioapi.clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audioapi.analysis.agents import Agents
    from audioapi.analysis.conversation import Turn
    from audioapi.analysis.live.models import LiveSession
    from audioapi.analysis.models import Conclusion, Event, Utterance
    from audioapi.problems import AudioApiError


class Teller:
    """Takes the session over when it is made: whoever had it before can write nothing any more.
    Raises FencedOutError, as everything does here, if the session has ended, or once another one
    took it over.
    """

    def __init__(self, session: LiveSession) -> None:
        self._session_id = session.session_id
        self._conversation_id = session.conversation_id
        self.token = secrets.token_hex(16)
        cursor = store.take_over(self._session_id, self.token)
        if cursor is None or cursor.ended:
            raise store.FencedOutError(self._session_id)
        self.cursor = cursor

    def begin(self) -> None:
        """Tells that there is sound, unless that was told."""
        if self.cursor.next_event == len(service.OPENING) + 1:
            begun = [telling.status(Phase.PROCESSING, progress=0.0)]
            self._append(begun)
            _count(begun)

    def tell(self, turn: Turn, agents: Agents) -> None:
        """Tells of an utterance, and keeps it."""
        self._append(turn.events, turn.utterance)
        _count(turn.events, agents)

    def conclude(self, conclusion: Conclusion, agents: Agents) -> None:
        """Tells the end of a session that was finalized."""
        completed = telling.status(Phase.COMPLETED, progress=1.0)
        self._end([telling.summary(conclusion), completed], Status.COMPLETED, agents)

    def fail(self, problem: AudioApiError, *, cancelled: bool = False) -> None:
        """Tells any other end."""
        self._end([telling.failure(problem)], Status.CANCELLED if cancelled else Status.FAILED)

    def rest(self, *, heard_chunks: int) -> None:
        """Notes that nothing is left to do until there are more chunks than these."""
        store.rest(self._session_id, self.token, heard_chunks=heard_chunks)

    def _append(self, events: Sequence[Event], utterance: Utterance | None = None) -> None:
        self.cursor = store.append(
            self._session_id, self.token, self.cursor, events, utterance=utterance, now=now_ms()
        )

    def _end(self, events: Sequence[Event], outcome: Status, agents: Agents | None = None) -> None:
        last = [*events, telling.done(self._conversation_id)]
        self.cursor = store.end(
            self._session_id, self.token, self.cursor, last, outcome, now=now_ms()
        )
        _count(last, agents)


def _count(events: Sequence[Event], agents: Agents | None = None) -> None:
    latencies = agents.take_latencies() if agents else {}
    metrics.count(events=Counter(event.type for event in events), latencies=latencies)
