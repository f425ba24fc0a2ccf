"""Which chunks a session still takes, and what its states look like from outside."""

from __future__ import annotations

from typing import Any

import pytest

from audioapi.streaming.models import Session, SessionInfo, Status

CLOSED_AT = 1_000_000


def session(**changes: Any) -> Session:
    kept = {
        "session_id": "3f2b8c1e-6d4a-4b0f-9c57-2e8a1d0f7b36",
        "sample_rate": 16000,
        "channels": 1,
        "format": "wav",
        "start_time": 0,
        "expires_at": 86_400_000,
        "last_activity": 0,
    }
    return Session.model_validate({**kept, **changes})


def closing(**changes: Any) -> Session:
    return session(status=Status.CLOSING, closing_at=CLOSED_AT, **changes)


def test_an_active_session_takes_every_chunk() -> None:
    assert session().awaits(received_at=CLOSED_AT, seq=None)


def test_a_chunk_that_was_on_its_way_when_the_close_came_is_taken() -> None:
    assert closing().awaits(received_at=CLOSED_AT - 1, seq=None)


def test_a_chunk_sent_after_the_close_is_not() -> None:
    assert not closing().awaits(received_at=CLOSED_AT + 1, seq=None)
    assert not closing().awaits(received_at=CLOSED_AT + 1, seq=3)


def test_a_late_chunk_that_the_close_counted_is_taken() -> None:
    late = closing(expected_chunks=4)
    assert late.awaits(received_at=CLOSED_AT + 1, seq=3)
    assert not late.awaits(received_at=CLOSED_AT + 1, seq=4)
    assert not late.awaits(received_at=CLOSED_AT + 1, seq=None)


@pytest.mark.parametrize("status", [Status.SEALED, Status.COMPLETED, Status.ERROR])
def test_from_the_seal_on_nothing_is_taken(status: Status) -> None:
    assert not session(status=status, closing_at=CLOSED_AT).awaits(received_at=1, seq=0)


@pytest.mark.parametrize(
    ("status", "public", "processing"),
    [
        (Status.ACTIVE, "active", "pending"),
        (Status.CLOSING, "completed", "pending"),
        (Status.SEALED, "completed", "pending"),
        (Status.COMPLETED, "completed", "complete"),
        (Status.ERROR, "error", "failed"),
    ],
)
def test_callers_see_the_three_published_states(
    status: Status, public: str, processing: str
) -> None:
    info = SessionInfo.of(session(status=status), download_url=None)
    assert (info.status, info.processing_status) == (public, processing)


def test_times_are_iso_8601_in_utc() -> None:
    info = SessionInfo.of(closing(), download_url=None)
    assert info.start_time == "1970-01-01T00:00:00.000Z"
    assert info.closed_at == "1970-01-01T00:16:40.000Z"
    assert info.expires_at == "1970-01-02T00:00:00.000Z"
