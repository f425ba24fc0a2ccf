"""What an analysis says of a conversation. A field that no analyser could fill is absent.

All times are seconds from the conversation's start.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_serializer

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler, SerializerFunctionWrapHandler
    from pydantic_core import CoreSchema

Ratio = Annotated[float, Field(ge=0, le=1)]
Signed = Annotated[float, Field(ge=-1, le=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Mood = Literal["excited", "tense", "calm", "subdued", "neutral"]


class EventType(StrEnum):
    """What a conversation's consumer is told, in an order that `status` begins and `done` ends."""

    STATUS = "status"
    PARTIAL_TRANSCRIPT = "partial_transcript"
    FINAL_TRANSCRIPT = "final_transcript"
    EMOTION = "emotion"
    COGNITIVE = "cognitive"
    TRANSITION = "transition"
    MOMENT = "moment"
    SUMMARY_UPDATE = "summary_update"
    ERROR = "error"
    DONE = "done"


class Phase(StrEnum):
    STARTING = "starting"
    WAITING_MEDIA = "waiting_media"
    PROCESSING = "processing"
    COMPLETED = "completed"


@dataclass(frozen=True)
class Event:
    """One server-sent event: `data` is a JSON object."""

    type: EventType
    data: dict[str, Any]


class Finding(BaseModel):
    """Leaves out of its JSON what is None."""

    model_config = ConfigDict(frozen=True)

    @model_serializer(mode="wrap")
    def _present(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """That of the members, which the serialiser's own return type would hide."""
        members: Any = {name: it for name, it in core_schema.items() if name != "serialization"}
        return handler(members)


class Prosody(Finding):
    """How an utterance was spoken. Pitch is of its voiced frames, intensity in dB relative to full
    scale, `pause_ratio` the part of its time in which no word was spoken.
    """

    pitch_hz_mean: float | None = None
    pitch_hz_min: float | None = None
    pitch_hz_max: float | None = None
    pitch_semitones_sd: float | None = None
    voiced_ratio: Ratio | None = None
    intensity_db_mean: float | None = None
    intensity_db_max: float | None = None
    words_per_minute: float | None = None
    pauses: int | None = None
    pause_ratio: Ratio | None = None


class Sentiment(Finding):
    """Of the words alone. `compound` is -1 (negative) to 1; the other three are parts of 1."""

    label: Literal["positive", "neutral", "negative"]
    compound: Signed
    positive: Ratio
    neutral: Ratio
    negative: Ratio


class Emotion(Finding):
    """Russell's two dimensions (1980): `valence` -1 (unpleasant) to 1, `arousal` 0 (calm) to 1."""

    valence: Signed
    arousal: Ratio | None = None
    label: Mood


class Cognitive(Finding):
    """Signs of how hard speaking was: `load` 0 to 1, and what it was made of."""

    load: Ratio
    fillers: int
    filler_ratio: Ratio
    pause_ratio: Ratio | None = None
    words_per_minute: float | None = None


class Utterance(Finding):
    """Words of one breath and what was found out about them; prosody that failed is empty."""

    utterance_id: str
    speaker: str
    t_start: Seconds
    t_end: Seconds
    text: str
    asr_confidence: Ratio | None = None
    prosody: Prosody = Prosody()
    emotion: Emotion | None = None
    sentiment: Sentiment | None = None
    cognitive: Cognitive | None = None


class Transition(Finding):
    """A change from one utterance to the next: what changed, and from what to what."""

    kind: Literal["speaker", "sentiment", "emotion", "pace"]
    from_utterance_id: str
    to_utterance_id: str
    t: Seconds
    before: str
    after: str
    speaker: str | None = None


class Moment(Finding):
    """An utterance worth finding again, and the rule that found it."""

    kind: Literal["question", "objection", "commitment"]
    utterance_id: str
    speaker: str
    t_start: Seconds
    t_end: Seconds
    text: str
    rule: str


class Segment(Finding):
    """Utterances about one thing; `keywords` are its most telling words."""

    segment_id: str
    t_start: Seconds
    t_end: Seconds
    utterance_ids: list[str]
    title: str
    keywords: list[str]


class Analyser(Finding):
    """Who found it: a name and a version."""

    name: str
    version: str


class Segmentation(Finding):
    segments: list[Segment]
    analyser: Analyser


class Summary(Finding):
    """`fallback` says why the model's answer wasn't taken, if one was asked for."""

    overview: str
    key_insights: list[str]
    action_items: list[str] = []
    open_questions: list[str] = []
    analyser: Analyser
    fallback: str | None = None


class SpeakerInsights(Finding):
    speaker: str
    utterances: int
    words: int
    talk_seconds: Seconds
    talk_ratio: Ratio
    words_per_minute: float | None = None
    mean_sentiment: Signed | None = None
    mean_arousal: Ratio | None = None


class Insights(Finding):
    """Counts over the whole conversation."""

    duration_seconds: Seconds
    speech_seconds: Seconds
    silence_ratio: Ratio
    speaker_changes: int
    questions: int
    objections: int
    commitments: int
    mean_sentiment: Signed | None = None
    sentiment_trend: Literal["rising", "falling", "steady"] | None = None
    speakers: list[SpeakerInsights]


class AgentResult(Finding):
    """What became of one analyser's work, over all utterances."""

    agent: str
    analyser: Analyser | None = None
    status: Literal["ok", "partial", "failed", "fallback", "skipped"]
    calls: int
    latency_ms: float
    detail: str | None = None


class Conclusion(Finding):
    """What is said when the conversation is over. A summary or insights that failed are absent,
    segments that did are none.
    """

    summary: Summary | None = None
    insights: Insights | None = None
    segmentation: Segmentation


class Analysis(Finding):
    """The whole answer of `POST /analyze`; `utterances` counts them. `warnings`, for whoever sent
    the recording, say what of it is damaged or missing.
    """

    conversation_id: str
    utterances: int
    timeline: list[Utterance]
    summary: Summary | None = None
    insights: Insights | None = None
    transitions: list[Transition]
    moments: list[Moment]
    segmentation: Segmentation
    agent_results: list[AgentResult]
    warnings: list[str] = []
    artifact_dir: str
    upload_path: str
    agent_outputs_path: str
