"""What follows from a finished session: its processing, and notice to its owner's webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audioapi import settings
from audioapi.identity import Principal
from audioapi.streaming import assembly, service
from tests.audio import pcm, wav
from tests.integration import ffmpegs
from tests.integration.audioapi.sessions import CLOSE, audio, connect, kept, received, say, stored

if TYPE_CHECKING:
    from pathlib import Path

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
        "lost_seconds": 0.0,
        "missing_chunks": [],
        "error": None,
    }


def test_a_session_that_is_no_audio_is_told_and_not_processed() -> None:
    finished(ALICE, b"%PDF-1.7 not a sound in it")
    assert received("JobsQueue") == []
    [event] = received("WebhooksQueue")
    assert event["event_type"] == "session.failed"
    assert "PDF" in event["data"]["error"]


def test_what_damage_took_of_a_session_is_told_in_seconds() -> None:
    session_id = finished(ALICE, wav(SOUND, rate=8000, channels=1)[:-4000])
    [event] = received("WebhooksQueue")
    told = event["data"]
    assert (told["status"], told["duration_seconds"]) == ("completed", 0.25)
    assert told["lost_seconds"] == 0.25
    assert "A WAV ends early" in told["error"]
    assert service.info(ALICE, session_id).lost_seconds == 0.25


def test_a_session_of_which_sound_is_lost_fails_with_both_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FFMPEG_PATH", str(ffmpegs.breaking_off(tmp_path, samples=320)))
    session_id = finished(ALICE, SOUND)
    [event] = received("WebhooksQueue")
    assert event["event_type"] == "session.failed"
    assert event["data"]["error"] == "0.500 s were decoded, but what came out has 0.040 s"
    assert (event["data"]["file_path"], event["data"]["lost_seconds"]) == (None, None)
    assert stored(settings.streaming().audio_bucket, f"audio_sessions/{session_id}") == []


def test_told_twice_it_is_the_same_event() -> None:
    session_id = finished(ALICE, SOUND)
    assembly.assemble_session(session_id)
    first, second = received("WebhooksQueue")
    assert first["event_id"] == second["event_id"]


def test_a_session_without_a_key_is_nobodys_memory_and_nobodys_event() -> None:
    finished(None, SOUND)
    assert received("JobsQueue") == []
    assert received("WebhooksQueue") == []
