"""A session's chunks: objects under `chunks/{session_id}/`, whose keys sort as the audio goes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from audioapi import objects, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audioapi.streaming.models import Session

_MISSING_LISTED = 1000


def put(session_id: str, data: bytes, *, seq: int | None, order: str) -> bool:
    """Makes a chunk durable; False if it was there already. `order` sorts those without seq."""
    key = _prefix(session_id, numbered=seq is not None)
    key += order if seq is None else f"{seq:010d}"
    return objects.put_once(settings.streaming().audio_bucket, key, data)


def arrival_order(received_at: int, message_id: str) -> str:
    """Sorts by the gateway's receive time; the message's id tells two of a millisecond apart."""
    return f"{received_at:015d}-{hashlib.sha256(message_id.encode()).hexdigest()[:12]}"


def contiguous(numbered: Session) -> int:
    """How many chunks there are without a gap from the first: the next one a client should send."""
    prefix = _prefix(numbered.session_id, numbered=True)
    expected = numbered.next_seq
    for seq in _sequence_numbers(prefix, after=expected - 1):
        if seq != expected:
            break
        expected += 1
    return expected


def keys(session: Session) -> Iterator[str]:
    """Keys of the session's chunks in the order of the audio."""
    prefix = _prefix(session.session_id, numbered=bool(session.numbered))
    return objects.keys(settings.streaming().audio_bucket, prefix)


def missing(session: Session) -> list[int]:
    """Sequence numbers that never came, up to the number the close gave, the first thousand."""
    gaps: list[int] = []
    expected = 0
    for seq in _sequence_numbers(_prefix(session.session_id, numbered=True)):
        gaps.extend(range(expected, min(seq, expected + _MISSING_LISTED)))
        expected = seq + 1
    gaps.extend(range(expected, min(session.expected_chunks or 0, expected + _MISSING_LISTED)))
    return gaps[:_MISSING_LISTED]


def _sequence_numbers(prefix: str, *, after: int = -1) -> Iterator[int]:
    start = f"{prefix}{after:010d}" if after >= 0 else ""
    for key in objects.keys(settings.streaming().audio_bucket, prefix, after=start):
        yield int(key.removeprefix(prefix))


def _prefix(session_id: str, *, numbered: bool) -> str:
    return f"chunks/{session_id}/{'seq' if numbered else 'time'}/"
