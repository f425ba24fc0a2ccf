"""A session from its greeting to its file, in every form that the protocol allows."""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.audio import chunks, pcm, samples_of, wav_bytes
from tests.e2e.wire import CLOSE, chunk, connected

if TYPE_CHECKING:
    from tests.e2e.stack import Stack

RATE = 16000
AUDIO = wav_bytes(rate=RATE, channels=1, seconds=0.5)


async def test_a_session_greets_acknowledges_and_tells_when_its_file_is_ready(
    stack: Stack,
) -> None:
    async with connected(stack, sample_rate=RATE, api_key=stack.api_key) as wire:
        assert wire.greeting == {
            "message": "Audio session created",
            "session_id": str(uuid.UUID(wire.session_id)),
            "chunk_count": 0,
            "status": "active",
        }
        answers = [await wire.ask(chunk(p, n)) for n, p in enumerate(chunks(AUDIO, 4000))]
        assert answers[2] == {
            "message": "Chunk processed successfully",
            "session_id": wire.session_id,
            "chunk_count": 3,
            "status": "active",
            "seq": 2,
        }
        closed = await wire.ask(CLOSE)
        assert (closed["message"], closed["status"]) == ("Session closed successfully", "completed")
        ready = await wire.receive()
        assert ready["message"] == "Audio file ready"
        assert ready["file_path"] == f"audio_sessions/{wire.session_id}.wav"
        assert ready["duration_seconds"] == pytest.approx(0.5)
        assert samples_of(stack.download(ready["download_url"])) == samples_of(AUDIO)
        await wire.websocket.wait_closed()

    info = stack.session(wire.session_id)
    assert info["user_id"] == "dev-user"
    assert info["total_chunks"] == len(answers)
    assert info["bytes_received"] == len(AUDIO)
    assert (info["sample_rate"], info["channels"], info["format"]) == (RATE, 1, "wav")
    assert info["error"] is None
    assert info["missing_chunks"] == []


async def test_numbered_chunks_may_be_swapped_doubled_and_in_flight_together(
    stack: Stack,
) -> None:
    numbered = list(enumerate(chunks(AUDIO, 4000)))
    mixed = [*numbered[::-1], *numbered[::3]]
    async with connected(stack, sample_rate=RATE) as wire:
        for n, piece in mixed:
            await wire.send(chunk(piece, n))
        answered = [(await wire.receive())["seq"] for _ in mixed]
        assert sorted(answered) == sorted(n for n, _ in mixed)
        await wire.ask(CLOSE)
    info = stack.finished(wire.session_id)
    assert info["total_chunks"] == len(numbered)
    assert samples_of(stack.download(info["download_url"])) == samples_of(AUDIO)


async def test_a_close_that_counts_waits_for_the_chunks_on_their_way(stack: Stack) -> None:
    first, rest = AUDIO[:9000], AUDIO[9000:]
    counted = json.dumps({"type": "control", "action": "close_session", "chunk_count": 2})
    async with connected(stack, sample_rate=RATE) as wire:
        await wire.ask(chunk(first, 0))
        await wire.ask(counted)
        late = await wire.ask(chunk(rest, 1))
        assert late["message"] == "Chunk processed successfully", late
    info = stack.finished(wire.session_id)
    assert samples_of(stack.download(info["download_url"])) == samples_of(AUDIO)


async def test_a_session_goes_on_where_its_connection_was_lost(stack: Stack) -> None:
    first, rest = AUDIO[:9000], AUDIO[9000:]
    async with connected(stack, sample_rate=RATE) as wire:
        await wire.ask(chunk(first, 0))
    async with connected(stack, wire.session_id) as resumed:
        assert resumed.greeting["message"] == "Audio session resumed"
        assert resumed.greeting["next_seq"] == 1
        await resumed.ask(chunk(rest, 1))
        await resumed.ask(CLOSE)
    info = stack.finished(wire.session_id)
    assert samples_of(stack.download(info["download_url"])) == samples_of(AUDIO)


async def test_base64_text_and_binary_frames_are_audio_too(stack: Stack) -> None:
    first, rest = AUDIO[:9000], AUDIO[9000:]
    async with connected(stack, sample_rate=RATE) as wire:
        await wire.ask(base64.b64encode(first).decode())
        await wire.ask(rest)
        await wire.ask(CLOSE)
    info = stack.finished(wire.session_id)
    assert samples_of(stack.download(info["download_url"])) == samples_of(AUDIO)


async def test_raw_pcm_becomes_a_wav(stack: Stack) -> None:
    raw = pcm(rate=8000, channels=2, seconds=0.5)
    async with connected(stack, sample_rate=8000, channels=2) as wire:
        for piece in chunks(raw, 3001):
            await wire.ask(chunk(piece))
        await wire.ask(CLOSE)
    info = stack.finished(wire.session_id)
    assert samples_of(stack.download(info["download_url"])) == raw


async def test_a_session_is_closed_over_http_and_twice_is_harmless(stack: Stack) -> None:
    async with connected(stack, sample_rate=RATE, api_key=stack.api_key) as wire:
        await wire.ask(chunk(AUDIO, 0))
        for _ in range(2):
            answer = stack.request("POST", f"/api/audio/sessions/{wire.session_id}/close")
            assert answer.status == 200
            assert answer.body["success"] is True
            assert answer.body["session_id"] == wire.session_id
            assert answer.body["final_info"]["status"] == "completed"
        assert (await wire.receive())["message"] == "Audio file ready"
    info = stack.finished(wire.session_id)
    assert samples_of(stack.download(info["download_url"])) == samples_of(AUDIO)


async def test_keepalive_and_status_are_answered(stack: Stack) -> None:
    async with connected(stack, sample_rate=RATE) as wire:
        await wire.ask(chunk(AUDIO, 0))
        alive = await wire.ask(json.dumps({"type": "control", "action": "keepalive"}))
        assert (alive["message"], alive["status"]) == ("Session kept alive", "active")
        status = await wire.ask(json.dumps({"type": "control", "action": "status"}))
        assert (status["chunk_count"], status["next_seq"]) == (1, 1)


async def test_own_sessions_are_listed_active_first_in_pages(stack: Stack) -> None:
    ids = []
    for _ in range(3):
        async with connected(stack, sample_rate=RATE, api_key=stack.api_key) as wire:
            ids.append(wire.session_id)
    stack.request("POST", f"/api/audio/sessions/{ids[2]}/close")
    stack.finished(ids[2])

    listed: list[dict[str, Any]] = []
    cursor = ""
    while len(listed) < 100:
        page = stack.get(f"/api/audio/sessions?limit=2{cursor}").body
        assert len(page["sessions"]) <= 2
        listed += page["sessions"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    states = [session["status"] for session in listed]
    assert states == sorted(states)  # "active" sorts before "completed" and "error"
    order = [session["session_id"] for session in listed if session["session_id"] in ids]
    assert order == [ids[1], ids[0], ids[2]]


async def test_a_session_without_a_chunk_ends_without_a_file(stack: Stack) -> None:
    async with connected(stack) as wire:
        await wire.ask(CLOSE)
        ended = await wire.receive()
    assert (ended["message"], ended["file_path"]) == ("No audio received", None)
    assert stack.session(wire.session_id)["status"] == "completed"
