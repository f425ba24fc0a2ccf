"""The jobs' dead-letter queue: tells whoever waits for the work that it has failed, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from audioapi import jobs, settings
from audioapi.library import intake, uploaded
from audioapi.observe import measure
from audioapi.processing import given_up
from audioapi.streaming import assembly

settings.streaming()
settings.processing()
settings.webhooks()
settings.database()
settings.library()

GIVE_UP: dict[str, Callable[..., None]] = {
    "assemble_session": assembly.give_up,
    "fold_chunks": assembly.fold_failed,
    "process_recording": given_up.recording,
    "process_session": given_up.session,
    "transcribe_part": given_up.part,
    "merge_transcript": given_up.recording,
    "transcript_ready": given_up.amazon_job,
    "normalise_audio": uploaded.give_up,
    "tidy_library": intake.not_tidied,
}


def mark_failed(message: dict[str, Any], _: jobs.Delivery) -> None:
    GIVE_UP[message.pop("type")](**message)
    measure({"JobsFailed": 1})


lambda_handler = jobs.handler(mark_failed, queue_url=settings.jobs_failed().jobs_failed_queue_url)
