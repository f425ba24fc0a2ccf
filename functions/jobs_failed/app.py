"""The jobs' dead-letter queue: tells whoever waits for the work that it has failed, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from audioapi import jobs, settings
from audioapi.observe import measure

settings.streaming()
settings.processing()
settings.webhooks()
settings.database()
settings.library()


def of_sessions() -> dict[str, Callable[..., None]]:
    from audioapi.streaming import assembly  # noqa: PLC0415 - each kind of job imports its own

    return {"assemble_session": assembly.give_up, "fold_chunks": assembly.fold_failed}


def of_recordings() -> dict[str, Callable[..., None]]:
    from audioapi.processing import given_up  # noqa: PLC0415 - as above

    return {
        "process_recording": given_up.recording,
        "process_session": given_up.session,
        "transcribe_part": given_up.part,
        "merge_transcript": given_up.recording,
        "transcript_ready": given_up.amazon_job,
    }


def of_the_library() -> dict[str, Callable[..., None]]:
    from audioapi.library import intake, uploaded  # noqa: PLC0415 - as above

    return {"normalise_audio": uploaded.give_up, "tidy_library": intake.not_tidied}


JOBS = {
    "assemble_session": of_sessions,
    "fold_chunks": of_sessions,
    "process_recording": of_recordings,
    "process_session": of_recordings,
    "transcribe_part": of_recordings,
    "merge_transcript": of_recordings,
    "transcript_ready": of_recordings,
    "normalise_audio": of_the_library,
    "tidy_library": of_the_library,
}


def mark_failed(message: dict[str, Any], _: jobs.Delivery) -> None:
    job = message.pop("type")
    JOBS[job]()[job](**message)
    measure({"JobsFailed": 1})


lambda_handler = jobs.handler(mark_failed, queue_url=settings.jobs_failed().jobs_failed_queue_url)
