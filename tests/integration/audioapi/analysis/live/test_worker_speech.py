"""A live session from its first chunk to its end with real ears: FFmpeg and PocketSphinx."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audioapi import settings
from tests import audio
from tests.integration.audioapi.analysis.live.live_calls import control, let_in, send, started
from tests.integration.audioapi.analysis.live.live_worker_calls import (
    PAUSE,
    RATE,
    SPEECH,
    told,
    working,
)
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.template.model import Stack

SPOKEN = audio.wav(SPEECH[int(2.2 * RATE) * 2 : int(5.2 * RATE) * 2] + PAUSE, rate=RATE, channels=1)


@pytest.fixture(autouse=True)
def _pocketsphinx(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    let_in()
    monkeypatch.setenv("TRANSCRIBER", "pocketsphinx")
    settings.analysis.cache_clear()
    yield
    settings.analysis.cache_clear()


def test_what_is_said_is_told_before_the_session_ends() -> None:
    session_id = started(suffix=".wav", goal="Learn what John Dashwood considers")
    with working():
        for seq, chunk in enumerate(audio.chunks(SPOKEN, 16_000)):
            assert send(session_id, seq, chunk).status == 200
        until(lambda: "final_transcript" in dict(told(session_id)))
        control(session_id, "finalize")
        until(lambda: "done" in dict(told(session_id)))
    events = told(session_id)
    said = " ".join(data["text"] for kind, data in events if kind == "final_transcript")
    assert "consider how much there might be" in said
    assert [kind for kind, _ in events[-3:]] == ["summary_update", "status", "done"]
    assert dict(events)["summary_update"]["summary"]["overview"]
