"""The time: epoch milliseconds inside, ISO 8601 in UTC for callers."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


def iso(moment: datetime) -> str:
    """As JavaScript's `toISOString` writes it: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def epoch_ms(iso_time: str) -> int:
    """Epoch milliseconds of such a text, with or without its milliseconds."""
    return round(datetime.fromisoformat(iso_time).timestamp() * 1000)


def iso_ms(epoch_ms: int) -> str:
    """The same of epoch milliseconds."""
    return iso(datetime.fromtimestamp(epoch_ms / 1000, UTC))
