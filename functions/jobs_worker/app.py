"""The jobs queue: everything that takes longer than a request, one job a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from audioapi import jobs, settings
from audioapi.library import intake, uploaded
from audioapi.processing import transcripts, work
from audioapi.streaming import assembly

settings.streaming()
settings.processing()
settings.memories()
settings.webhooks()
settings.database()
settings.library()
settings.worker()

WORK: dict[str, Callable[..., None]] = {
    "assemble_session": assembly.assemble_session,
    "fold_chunks": assembly.fold_chunks,
    "process_recording": work.process_recording,
    "process_session": work.process_session,
    "transcribe_part": transcripts.transcribe_part,
    "merge_transcript": transcripts.merge_transcript,
    "transcript_ready": transcripts.transcript_ready,
    "normalise_audio": uploaded.normalise_audio,
    "tidy_library": intake.tidy,
}


def do(message: dict[str, Any], delivery: jobs.Delivery) -> None:
    with delivery.held(settings.worker().worker_missed_seconds):
        WORK[message.pop("type")](**message)


lambda_handler = jobs.handler(do, queue_url=settings.streaming().jobs_queue_url)
