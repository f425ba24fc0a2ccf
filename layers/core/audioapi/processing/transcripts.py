"""A task's transcript: nobody's, Amazon Transcribe's, or made here, part by part.

A transcript that can't be had costs nothing else: the task succeeds, and a warning says why.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from audioapi import objects, queues, settings
from audioapi.media import wav
from audioapi.media.survey import SAMPLE_RATE
from audioapi.memories import windows
from audioapi.processing import outcome, results, source, store
from audioapi.processing.models import Transcription
from audioapi.processing.results import Name
from audioapi.speech import amazon, parts, subtitles
from audioapi.speech.recogniser import PocketSphinx
from audioapi.speech.transcript import Transcript

if TYPE_CHECKING:
    from audioapi.processing.models import Task

_SAMPLE_BYTES = 2
_LONGEST_INLINE = 10_000
"""Characters of a transcript that stands in the task itself: an item may have 400 KB."""


def plan(samples: int, silences: list[tuple[float, float]]) -> list[tuple[int, int]]:
    """The samples, from and to, that jobs of this stack's own transcribe one by one."""
    if settings.processing().transcriber != "pocketsphinx":
        return []
    planned = parts.plan(samples / SAMPLE_RATE, silences)
    return [(round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)) for start, end in planned]


def begin(task: Task) -> None:
    """Sees to it that the analysed task is transcribed, and finished thereafter."""
    transcriber = settings.processing().transcriber
    if transcriber == "transcribe":
        _start_amazon(task)
    elif task.facts and task.facts.parts:
        for part in range(len(task.facts.parts)):
            message = {"type": "transcribe_part", "task_id": task.task_id, "part": part}
            queues.send(settings.processing().jobs_queue_url, message)
    else:
        outcome.succeed(task.task_id, Transcription())


def transcribe_part(task_id: str, part: int) -> None:
    """Transcribes one part, unless it has been; whoever completes them puts them together."""
    task = outcome.open_task(task_id)
    if task is None or task.facts is None:
        return
    with outcome.failures_noted(task_id):
        if part not in task.done_parts:
            _keep_part(task, part)
            task = store.part_done(task_id, part)
        if task is None:
            outcome.open_task(task_id)
        elif task.transcribed:
            _merge(task)


def merge_transcript(task_id: str) -> None:
    """Puts the parts together after the last of them was given up."""
    if task := outcome.open_task(task_id):
        with outcome.failures_noted(task_id):
            _merge(task)


def transcript_ready(job_name: str) -> None:
    """Takes up what Amazon Transcribe has ended."""
    task_id = job_name.removeprefix(settings.processing().transcription_job_prefix)
    task = outcome.open_task(task_id)
    if task is None:
        return
    with outcome.failures_noted(task_id):
        if reason := amazon.failure_reason(job_name):
            warning = f"The recording was not transcribed: {reason}"
            outcome.succeed(task_id, Transcription(warnings=[warning]))
            return
        made = objects.read(settings.processing().audio_bucket, _amazon_key(task_id))
        language = settings.processing().transcript_language
        _finish(task, amazon.read(json.loads(made), language=language), [])


def _start_amazon(task: Task) -> None:
    config = settings.processing()
    amazon.start(
        config.transcription_job_prefix + task.task_id,
        f"s3://{config.audio_bucket}/{results.key(task.task_id, Name.AUDIO)}",
        config.audio_bucket,
        _amazon_key(task.task_id),
        language=config.transcript_language,
    )


def _keep_part(task: Task, part: int) -> None:
    """The part's transcript as an object. PocketSphinx hears the same in the same sound."""
    start, end = task.facts.parts[part]  # type: ignore[union-attr]  # its caller has looked
    samples_bytes = task.facts.samples * _SAMPLE_BYTES  # type: ignore[union-attr]
    header = len(wav.header(sample_rate=SAMPLE_RATE, channels=1, data_bytes=samples_bytes))
    blocks = source.read_range(
        results.key(task.task_id, Name.AUDIO),
        header + start * _SAMPLE_BYTES,
        header + end * _SAMPLE_BYTES,
    )
    heard = parts.transcribe(blocks, offset=start / SAMPLE_RATE, recogniser=_recogniser())
    bucket, key = settings.processing().audio_bucket, _part_key(task.task_id, part)
    with suppress(objects.TakenError):  # another version of the recogniser was faster
        objects.put_once(bucket, key, heard.to_json().encode())


def _merge(task: Task) -> None:
    bucket = settings.processing().audio_bucket
    kept = objects.read_in_order(
        bucket, (_part_key(task.task_id, part) for part in sorted(task.done_parts))
    )
    transcripts = [Transcript.from_json(text) for text in kept]
    lost = sorted(task.lost_parts - task.done_parts)
    warnings = [_lost(task, part) for part in lost]
    if transcripts:
        _finish(task, parts.merge(transcripts), warnings)
    else:
        outcome.succeed(task.task_id, Transcription(warnings=warnings))


def _lost(task: Task, part: int) -> str:
    start, end = (at / SAMPLE_RATE for at in task.facts.parts[part])  # type: ignore[union-attr]  # it has parts
    return f"From {start:.1f} s to {end:.1f} s the recording was not transcribed"


def _finish(task: Task, transcript: Transcript, warnings: list[str]) -> None:
    results.put_text(task.task_id, Name.TRANSCRIPT, transcript.to_json())
    results.put_text(task.task_id, Name.SRT, subtitles.srt(transcript))
    results.put_text(task.task_id, Name.VTT, subtitles.vtt(transcript))
    words = [word for utterance in transcript.utterances for word in utterance.words]
    if recording := outcome.recording(task):
        windows.set_transcript(recording, words)
    text = transcript.text
    outcome.succeed(
        task.task_id,
        Transcription(
            recogniser=transcript.recogniser,
            words=len(words),
            text=text if len(text) <= _LONGEST_INLINE else None,
            warnings=warnings,
        ),
    )


def load() -> None:
    """The model of the recogniser, where recordings are transcribed here."""
    if settings.processing().transcriber == "pocketsphinx":
        _recogniser().load()


@cache
def _recogniser() -> PocketSphinx:
    return PocketSphinx()


def _part_key(task_id: str, part: int) -> str:
    return results.key(task_id, f"transcript/part_{part:03d}.json")


def _amazon_key(task_id: str) -> str:
    return results.key(task_id, "transcript/amazon.json")
