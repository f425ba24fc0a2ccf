"""What the worker's machine allows recordings to come to."""

from __future__ import annotations

from audioapi import settings
from audioapi.media.process import Limits

_KEPT_FREE_MB = 32


def limits() -> Limits:
    """No recording may be longer than a stream session, nor spooled to more disk than there is."""
    return Limits(
        audio_seconds=settings.streaming().max_session_duration_hours * 3600,
        disk_bytes=disk_bytes(),
    )


def disk_bytes() -> int:
    """How much of the machine's disk a recording may take."""
    return (settings.worker().worker_storage_mb - _KEPT_FREE_MB) * 1024 * 1024
