"""What follows from a finished session: its processing, and notice to its owner's webhooks."""

from __future__ import annotations

import pytest

from audioapi.identity import Principal
from audioapi.streaming import assembly
from tests.audio import pcm
from tests.integration.audioapi.sessions import CLOSE, audio, connect, kept, received, say

ALICE = Principal("alice", "acme")
SOUND = pcm(rate=8000, channels=1, seconds=0.5)


@pytest.fixture(autouse=True)
def _stack(stack: object) -> None:
    """The template's tables and queues."""


def finished(principal: Principal | None, data: bytes) -> str:
    session_id: str = connect(principal=principal, sample_rate="8000")["session_id"]
    say(audio(data))
    say(CLOSE)
    received("JobsQueue")
    assembly.assemble_session(session_id)
    return session_id


def test_a_finished_session_is_processed_and_told_to_its_owner() -> None:
    session_id = finished(ALICE, SOUND)
    [job] = received("JobsQueue")
    assert job == {
        "type": "process_session",
        "session_id": session_id,
        "organization_id": "acme",
        "user_id": "alice",
        "key": f"audio_sessions/{session_id}.wav",
        "start_time": kept(session_id).start_time,
    }
    [event] = received("WebhooksQueue")
    assert (event["user_id"], event["event_type"]) == ("alice", "session.completed")
    assert event["data"] == {
        "session_id": session_id,
        "status": "completed",
        "file_path": f"audio_sessions/{session_id}.wav",
        "duration_seconds": 0.5,
        "missing_chunks": [],
        "error": None,
    }


def test_a_session_that_is_no_audio_is_told_and_not_processed() -> None:
    finished(ALICE, b"%PDF-1.7 not a sound in it")
    assert received("JobsQueue") == []
    [event] = received("WebhooksQueue")
    assert event["event_type"] == "session.failed"
    assert "PDF" in event["data"]["error"]


def test_told_twice_it_is_the_same_event() -> None:
    session_id = finished(ALICE, SOUND)
    assembly.assemble_session(session_id)
    first, second = received("WebhooksQueue")
    assert first["event_id"] == second["event_id"]


def test_a_session_without_a_key_is_nobodys_memory_and_nobodys_event() -> None:
    finished(None, SOUND)
    assert received("JobsQueue") == []
    assert received("WebhooksQueue") == []
