"""The events that a conversation's consumer is told, and what is in each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioapi.analysis.models import Event, EventType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from audioapi.analysis.models import Conclusion, Moment, Phase, Transition, Utterance
    from audioapi.analysis.recognition.diarisation import Partial
    from audioapi.problems import AudioApiError


def status(phase: Phase, *, progress: float | None = None) -> Event:
    """`progress` is the part of the work that is done, 0 to 1, where that is known."""
    known: dict[str, Any] = {} if progress is None else {"progress": round(progress, 3)}
    return Event(EventType.STATUS, {"phase": phase.value, **known})


def partial(heard: Partial) -> Event:
    """What somebody seems to say who goes on speaking."""
    return Event(
        EventType.PARTIAL_TRANSCRIPT,
        {"speaker": heard.speaker, "t_start": heard.t_start, "text": heard.text},
    )


def of_utterance(
    utterance: Utterance, moments: Sequence[Moment], transitions: Sequence[Transition]
) -> Iterator[Event]:
    """What was said, then what was found out about it."""
    said = {"utterance_id", "speaker", "t_start", "t_end", "text", "asr_confidence"}
    whose = {"utterance_id": utterance.utterance_id, "speaker": utterance.speaker}
    yield Event(EventType.FINAL_TRANSCRIPT, utterance.model_dump(include=said))
    if utterance.emotion:
        yield Event(EventType.EMOTION, {**whose, **utterance.emotion.model_dump()})
    if utterance.cognitive:
        yield Event(EventType.COGNITIVE, {**whose, **utterance.cognitive.model_dump()})
    for moment in moments:
        yield Event(EventType.MOMENT, moment.model_dump())
    for transition in transitions:
        yield Event(EventType.TRANSITION, transition.model_dump())


def summary(conclusion: Conclusion) -> Event:
    return Event(EventType.SUMMARY_UPDATE, conclusion.model_dump())


def failure(problem: AudioApiError) -> Event:
    return Event(EventType.ERROR, {"code": problem.code, "message": problem.detail})


def done(conversation_id: str) -> Event:
    return Event(EventType.DONE, {"conversation_id": conversation_id})
