"""The analysers of a conversation as agents: each does its work behind a guard, and is measured.

One that fails leaves its own finding out, and everything else whole.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from audioapi.analysis import logs
from audioapi.analysis.models import AgentResult, Finding
from audioapi.observe import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from audioapi.analysis.models import Analyser

_DIGITS = 3
_Status = Literal["ok", "partial", "failed", "fallback", "skipped"]
F = TypeVar("F", bound=Finding)


class Agent(StrEnum):
    """In the order of their work."""

    UTTERANCES = "utterances"
    TRANSCRIPT = "transcript"
    PROSODY = "prosody"
    SENTIMENT = "sentiment"
    EMOTION = "emotion"
    COGNITIVE = "cognitive"
    MOMENTS = "moments"
    TRANSITIONS = "transitions"
    SEGMENTATION = "segmentation"
    SUMMARY = "summary"
    INSIGHTS = "insights"


class Agents:
    """Those of one conversation."""

    def __init__(self, conversation_id: str) -> None:
        self._conversation_id = conversation_id
        self._tallies: dict[Agent, _Tally] = {agent: _Tally() for agent in Agent}
        self._latencies: dict[Agent, list[float]] = defaultdict(list)

    def find(self, agent: Agent, analyser: Analyser, work: Callable[[], F]) -> F | None:
        """What `work` finds, its numbers rounded; None if it fails."""
        found = self.find_all(agent, analyser, lambda: [work()])
        return found[0] if found else None

    def find_all(
        self, agent: Agent, analyser: Analyser, work: Callable[[], Sequence[F]]
    ) -> list[F]:
        """The same for work that may find any number of things; none if it fails."""
        started = time.perf_counter()
        try:
            with logs.about(self._conversation_id):
                return [rounded(finding) for finding in work()]
        except Exception as error:  # noqa: BLE001 — what one analyser can't do costs nothing else
            self._failed(agent, error)
            return []
        finally:
            self.took(agent, analyser, seconds=time.perf_counter() - started)

    def took(self, agent: Agent, analyser: Analyser, *, seconds: float) -> None:
        """Notes one call of an agent that works on its own."""
        tally = self._tallies[agent]
        tally.analyser = analyser
        tally.calls += 1
        tally.seconds += seconds
        self._latencies[agent].append(seconds * 1000)

    def credit(self, agent: Agent, analyser: Analyser, *, fallback: str | None) -> None:
        """Notes whose answer was taken, and why not that of whom was asked, if it wasn't."""
        tally = self._tallies[agent]
        tally.analyser, tally.fallback = analyser, fallback

    def results(self) -> list[AgentResult]:
        return [tally.result(agent) for agent, tally in self._tallies.items()]

    def take_latencies(self) -> dict[Agent, list[float]]:
        """Milliseconds of every call since this was asked last."""
        taken, self._latencies = self._latencies, defaultdict(list)
        return dict(taken)

    def _failed(self, agent: Agent, error: Exception) -> None:
        tally = self._tallies[agent]
        tally.failures += 1
        tally.reason = tally.reason or type(error).__name__
        if tally.failures == 1:  # the same again and again would say no more
            with logs.about(self._conversation_id):
                logger.warning("analyser failed", agent=agent.value, exc_info=error)


@dataclass
class _Tally:
    analyser: Analyser | None = None
    calls: int = 0
    failures: int = 0
    seconds: float = 0.0
    reason: str | None = None
    fallback: str | None = None

    def result(self, agent: Agent) -> AgentResult:
        status, detail = self._outcome()
        return AgentResult(
            agent=agent.value,
            analyser=self.analyser,
            status=status,
            calls=self.calls,
            latency_ms=round(self.seconds * 1000, _DIGITS),
            detail=detail,
        )

    def _outcome(self) -> tuple[_Status, str | None]:
        """Its status, and what there is to say about it to anybody: no text of an error's own."""
        if not self.calls:
            return "skipped", None
        if self.failures:
            status: _Status = "failed" if self.failures == self.calls else "partial"
            return status, f"{self.failures} of {self.calls} calls failed: {self.reason}"
        return ("fallback", self.fallback) if self.fallback else ("ok", None)


def rounded(finding: F) -> F:
    """The same with numbers of three decimals; what is no number at all is left out."""
    return type(finding).model_validate(_rounded(finding.model_dump()))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        # Plus nothing, so that there is no -0.0.
        return round(value, _DIGITS) + 0.0 if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _rounded(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_rounded(member) for member in value]
    return value
