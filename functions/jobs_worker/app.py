"""The jobs queue: everything that takes longer than a request, one job a message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from audioapi import jobs, settings, snapshots
from audioapi.jobs import Family

settings.streaming()
settings.processing()
settings.memories()
settings.webhooks()
settings.database()
settings.library()
settings.worker()


def of_sessions() -> dict[str, Callable[..., None]]:
    from audioapi.streaming import assembly  # noqa: PLC0415 - each kind of job imports its own

    return {
        "assemble_session": assembly.assemble_session,
        "fold_chunks": assembly.fold_chunks,
    }


def of_recordings() -> dict[str, Callable[..., None]]:
    from audioapi.processing import transcripts, work  # noqa: PLC0415 - as above

    return {
        "process_recording": work.process_recording,
        "process_session": work.process_session,
        "transcribe_part": transcripts.transcribe_part,
        "merge_transcript": transcripts.merge_transcript,
        "transcript_ready": transcripts.transcript_ready,
    }


def of_the_library() -> dict[str, Callable[..., None]]:
    from audioapi.library import intake, uploaded  # noqa: PLC0415 - as above

    return {"normalise_audio": uploaded.normalise_audio, "tidy_library": intake.tidy}


FAMILIES = {
    Family.SESSIONS: of_sessions,
    Family.RECORDINGS: of_recordings,
    Family.LIBRARY: of_the_library,
}


def load() -> None:
    from audioapi.processing import transcripts  # noqa: PLC0415 - as above

    for importer in FAMILIES.values():
        importer()
    transcripts.load()


snapshots.before(load)


def work(job: str) -> Callable[..., None]:
    """What does jobs of that type."""
    return jobs.of_type(job, FAMILIES)


def do(message: dict[str, Any], delivery: jobs.Delivery) -> None:
    with delivery.held(settings.worker().worker_missed_seconds):
        work(message.pop("type"))(**message)


lambda_handler = jobs.handler(
    do,
    queue_url=settings.streaming().jobs_queue_url,
    passing_hours=settings.worker().passing_failure_hours,
)
