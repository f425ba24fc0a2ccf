"""Timelines that callers bring, of whatever they have heard."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field

from audioapi.analysis import metrics
from audioapi.analysis.agents import Agent, rounded
from audioapi.analysis.models import Seconds, Segmentation, Utterance
from audioapi.analysis.text import segmentation

if TYPE_CHECKING:
    from audioapi.identity import Principal


class Line(BaseModel):
    """An utterance, as far as a segmentation needs it; what else an analysis says is passed over.
    Times are seconds from the conversation's start.
    """

    utterance_id: Annotated[str, Field(min_length=1, max_length=64)]
    speaker: Annotated[str, Field(max_length=64)]
    t_start: Seconds
    t_end: Seconds
    text: Annotated[str, Field(max_length=10_000)]


class Timeline(BaseModel):
    """`context` says what the conversation is about, in its caller's words."""

    timeline: Annotated[list[Line], Field(min_length=1, max_length=10_000)]
    context: Annotated[str, Field(max_length=1000)] | None = None


def segment(caller: Principal, given: Timeline) -> Segmentation:
    """Utterances may come in any order."""
    caller.require("read")
    timeline = [Utterance.model_validate(line.model_dump()) for line in given.timeline]
    started = time.perf_counter()
    found = rounded(segmentation.segmentation(timeline, context=given.context))
    taken_ms = (time.perf_counter() - started) * 1000
    metrics.count(latencies={Agent.SEGMENTATION: [taken_ms]})
    return found
