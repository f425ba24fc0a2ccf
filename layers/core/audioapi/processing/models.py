"""A processing task: its states, what is kept of it, and what callers see of it."""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from audioapi.clock import iso_ms

_MEMORIES = uuid.UUID("5c7f8a52-3f0e-4c6a-9a52-6c2d1f6f9b1e")


class Status(StrEnum):
    """PENDING → STARTED → SUCCESS or FAILURE; both ends are final."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"

    @property
    def finished(self) -> bool:
        return self in (Status.SUCCESS, Status.FAILURE)

    @property
    def reached_from(self) -> tuple[Status, ...]:
        """STARTED from itself too: a job that comes again begins again."""
        return _REACHED_FROM[self]


_REACHED_FROM = {
    Status.PENDING: (),
    Status.STARTED: (Status.PENDING, Status.STARTED),
    Status.SUCCESS: (Status.STARTED,),
    Status.FAILURE: (Status.PENDING, Status.STARTED),
}


class Source(BaseModel):
    """What the recording was before it was processed; None for what its file doesn't tell. The
    names are FFmpeg's, the bit rate is the whole file's.
    """

    container: str
    codec: str | None
    sample_rate: int | None
    channels: int
    bit_rate: int
    size_bytes: int


class Loudness(BaseModel):
    """EBU R 128: LUFS, LU and dBTP of the source; None where there is only silence."""

    integrated_lufs: float | None
    range_lu: float | None
    true_peak_dbtp: float | None


class Facts(BaseModel):
    """What one pass over the recording found out. `parts` are the samples, from and to, that are
    transcribed one by one.
    """

    model_config = ConfigDict(frozen=True)

    samples: int
    duration_seconds: float
    lost_seconds: float | None = None
    source: Source
    loudness: Loudness
    silence_seconds: float
    windows: int
    parts: list[tuple[int, int]] = []
    warnings: list[str] = []


class Transcription(BaseModel):
    """What became of the transcript: by whom, and its text if it is short. `warnings` if it is
    not whole; without `recogniser` there is none.
    """

    model_config = ConfigDict(frozen=True)

    recogniser: str | None = None
    words: int = 0
    text: str | None = None
    warnings: list[str] = []


def _from_json(kept: object) -> object:
    return Facts.model_validate_json(kept) if isinstance(kept, str) else kept


class Task(BaseModel):
    """A task as it is kept. Times are epoch milliseconds; `key` is the recording's, `etag` names
    the version of it that is processed, `start_time` when what it holds began, as far as known.
    What is `deleted` are its memories, and its results with them.
    """

    model_config = ConfigDict(frozen=True)

    task_id: str
    organization_id: str
    user_id: str
    file_id: str
    key: str
    session_id: str | None = None
    status: Status = Status.PENDING
    attempts: int = 0
    created_at: int
    updated_at: int
    ttl: int
    start_time: int | None = None
    etag: str | None = None
    size_bytes: int | None = None
    facts: Annotated[Facts | None, BeforeValidator(_from_json)] = None
    done_parts: frozenset[int] = frozenset()
    lost_parts: frozenset[int] = frozenset()
    transcription: Transcription | None = None
    last_failure: str | None = None
    error: str | None = None
    deleted: bool = False

    @property
    def memory_id(self) -> str | None:
        """What its memories are grouped by: the session, or the file and its version, so that a
        file that is processed twice is one memory. None as long as no file was found.
        """
        if self.session_id or self.etag is None:
            return self.session_id
        return str(uuid.uuid5(_MEMORIES, f"{self.key} {self.etag}"))

    @property
    def transcribed(self) -> bool:
        """Whether nothing more will become of any part."""
        return self.facts is not None and len(self.done_parts | self.lost_parts) == len(
            self.facts.parts
        )


class SessionFile(BaseModel):
    """A finished stream session's file, as the job that processes it has it. `start_time` in epoch
    milliseconds.
    """

    session_id: str
    organization_id: str
    user_id: str
    key: str
    start_time: int


class Started(BaseModel):
    """The answer to a request for processing."""

    message: str = "Audio processing started in the background"
    task_id: str


class Progress(BaseModel):
    """`phase` is queued, analysing, transcribing or finished; parts of the transcript, if it is
    made in parts here.
    """

    phase: str
    transcript_parts: int
    transcript_parts_done: int

    @classmethod
    def of(cls, task: Task) -> Progress:
        return cls(
            phase=_phase(task),
            transcript_parts=len(task.facts.parts) if task.facts else 0,
            transcript_parts_done=len(task.done_parts | task.lost_parts),
        )


def _phase(task: Task) -> str:
    if task.status.finished:
        return "finished"
    if task.status is Status.PENDING:
        return "queued"
    return "analysing" if task.facts is None else "transcribing"


class Urls(BaseModel):
    """Where each result is read, for an hour; a transcript's are None if there is none."""

    audio: str
    loudness: str
    silences: str
    waveform: str
    transcript: str | None
    srt: str | None
    vtt: str | None


class Result(BaseModel):
    """What became of a recording. `memory_id` is what `POST /memories/audio` takes; `text` is the
    transcript's, if it is short.
    """

    memory_id: str
    windows: int
    duration_seconds: float
    lost_seconds: float | None = Field(
        description="How much sound is missing in the recording, as far as anything tells"
    )
    source: Source
    loudness: Loudness
    silence_seconds: float
    recogniser: str | None
    words: int
    text: str | None
    warnings: list[str]
    urls: Urls | None = Field(description="None once the recording's memories were deleted")


class TaskInfo(BaseModel):
    """A task as its caller sees it. Times are ISO 8601 in UTC."""

    task_id: str
    status: Status
    file_id: str
    result: Result | None = Field(description="With status SUCCESS")
    error: str | None = Field(description="With status FAILURE: why, for a person")
    progress: Progress
    created_at: str
    updated_at: str
    attempts: int

    @classmethod
    def of(cls, task: Task, result: Result | None) -> TaskInfo:
        return cls(
            task_id=task.task_id,
            status=task.status,
            file_id=task.file_id,
            result=result,
            error=task.error,
            progress=Progress.of(task),
            created_at=iso_ms(task.created_at),
            updated_at=iso_ms(task.updated_at),
            attempts=task.attempts,
        )
