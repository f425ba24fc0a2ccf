"""A live session's states, and which follow which."""

from __future__ import annotations

import pytest

from audioapi.analysis.live.models import LONGEST_MS, LiveSession, Status


def session(**fields: object) -> LiveSession:
    kept = {
        "session_id": "live_0123abcd",
        "conversation_id": "liveconv_0123abcd",
        "organization_id": "acme",
        "user_id": "alice",
        "suffix": ".mp4",
        "ttl_seconds": 900,
        "started_at": 1_000,
        "expires_at": 901_000,
    }
    return LiveSession.model_validate({**kept, **fields})


@pytest.mark.parametrize("status", list(Status))
def test_only_sessions_that_were_not_ended_take_chunks(status: Status) -> None:
    assert status.open == (status in (Status.WAITING_MEDIA, Status.PROCESSING))
    assert (Status.PROCESSING in followers(status)) == status.open


def followers(status: Status) -> set[Status]:
    return {later for later in Status if status in later.reached_from}


@pytest.mark.parametrize("end", [Status.COMPLETED, Status.FAILED, Status.EXPIRED])
def test_ends_are_final(end: Status) -> None:
    assert followers(end) == set()


def test_a_cancelled_session_neither_completes_nor_fails() -> None:
    assert followers(Status.CANCELLED) == {Status.EXPIRED}


def test_a_session_that_is_finalized_is_the_workers_to_end() -> None:
    assert followers(Status.FINALIZING) == {Status.COMPLETED, Status.FAILED}


def test_every_state_is_reached_from_the_first_one() -> None:
    reached, found = set(), {Status.WAITING_MEDIA}
    while found:
        reached |= found
        found = {later for status in found for later in followers(status)} - reached
    assert reached == set(Status)


def test_only_the_last_chunk_with_its_bytes_counts_as_sent_again() -> None:
    last = session(next_chunk_seq=3, chunk_digest="aa")
    assert last.has_taken(2, "aa")
    assert not last.has_taken(2, "bb")
    assert not last.has_taken(1, "aa")
    assert not last.has_taken(3, "aa")
    assert not session().has_taken(-1, "aa")


def test_a_session_is_extended_by_its_own_time_and_to_a_day_at_most() -> None:
    assert session().expiry(5_000) == 905_000
    assert session(ttl_seconds=60).expiry(5_000) == 65_000
    assert session().expiry(LONGEST_MS) == LONGEST_MS + 1_000


def test_two_chunks_of_one_number_are_two_objects() -> None:
    keys = {session().chunk_key(7, digest) for digest in ("aa", "bb")}
    assert keys == {f"live/live_0123abcd/chunks/000000007-{digest}" for digest in ("aa", "bb")}
