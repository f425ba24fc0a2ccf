"""The objects that a task makes, under `processing/{task_id}/`."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from audioapi import objects, settings
from audioapi.media import wav
from audioapi.media.survey import SAMPLE_RATE
from audioapi.processing.models import Result, Transcription, Urls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from audioapi.processing.models import Task


class Name(StrEnum):
    """What each result is called."""

    AUDIO = "audio.wav"
    LOUDNESS = "loudness.json"
    SILENCES = "silences.json"
    WAVEFORM = "waveform.json"
    TRANSCRIPT = "transcript.json"
    SRT = "transcript.srt"
    VTT = "transcript.vtt"


_TYPES = {"json": "application/json", "srt": "application/x-subrip", "vtt": "text/vtt"}


def key(task_id: str, name: str) -> str:
    return f"processing/{task_id}/{name}"


def put_json(task_id: str, name: Name, value: Any) -> None:
    """The same value gives the same bytes."""
    put_text(task_id, name, json.dumps(value, separators=(",", ":")))


def put_text(task_id: str, name: Name, text: str) -> None:
    """Whole at once; done twice, the same text is there."""
    content_type = _TYPES[name.rpartition(".")[2]]
    objects.put(_bucket(), key(task_id, name), text.encode(), content_type=content_type)


def put_audio(task_id: str, pcm: Iterable[bytes], *, decoded: Callable[[], int]) -> None:
    """Streams 16 kHz mono s16le into one WAV, which is there when all samples that were `decoded`
    are; LostSoundError otherwise.
    """
    parts = wav.parts(pcm, sample_rate=SAMPLE_RATE, channels=1, decoded=decoded)
    objects.upload_parts(_bucket(), key(task_id, Name.AUDIO), parts, content_type="audio/wav")


def result(task: Task) -> Result:
    """A successful task's results, their addresses signed now."""
    if task.facts is None or task.memory_id is None:
        raise ValueError(f"{task.task_id} has no results")
    transcription = task.transcription or Transcription()
    found = task.facts.model_dump(exclude={"samples", "parts", "warnings"})
    return Result(
        **found,
        **transcription.model_dump(exclude={"warnings"}),
        memory_id=task.memory_id,
        warnings=[*task.facts.warnings, *transcription.warnings],
        urls=None if task.deleted else _urls(task.task_id, transcription),
    )


def remove(task_id: str) -> None:
    """Removes all of a task's objects. Harmless twice."""
    objects.delete_all(_bucket(), key(task_id, ""))


def _urls(task_id: str, transcription: Transcription) -> Urls:
    transcribed = transcription.recogniser is not None

    def url(name: Name) -> str:
        return objects.presigned_url(_bucket(), key(task_id, name))

    return Urls(
        audio=url(Name.AUDIO),
        loudness=url(Name.LOUDNESS),
        silences=url(Name.SILENCES),
        waveform=url(Name.WAVEFORM),
        transcript=url(Name.TRANSCRIPT) if transcribed else None,
        srt=url(Name.SRT) if transcribed else None,
        vtt=url(Name.VTT) if transcribed else None,
    )


def _bucket() -> str:
    return settings.processing().audio_bucket
