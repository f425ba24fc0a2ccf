"""The jobs' dead-letter queue: tells whoever waits for the work that it has failed, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from audioapi import jobs, settings
from audioapi.jobs import Family
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
    from audioapi.processing import dead_letters  # noqa: PLC0415 - as above

    return {
        "process_recording": dead_letters.recording,
        "process_session": dead_letters.session,
        "transcribe_part": dead_letters.part,
        "merge_transcript": dead_letters.recording,
        "transcript_ready": dead_letters.amazon_job,
    }


def of_the_library() -> dict[str, Callable[..., None]]:
    from audioapi.library import intake, uploaded  # noqa: PLC0415 - as above

    return {"normalise_audio": uploaded.give_up, "tidy_library": intake.not_tidied}


FAMILIES = {
    Family.SESSIONS: of_sessions,
    Family.RECORDINGS: of_recordings,
    Family.LIBRARY: of_the_library,
}


def mark_failed(message: dict[str, Any], _: jobs.Delivery) -> None:
    jobs.of_type(message.pop("type"), FAMILIES)(**message)
    measure({"JobsFailed": 1})


lambda_handler = jobs.handler(mark_failed, queue_url=settings.jobs_failed().jobs_failed_queue_url)
