"""What is wrong is told by name, changes nothing, and keeps the connection where AWS keeps it."""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import websockets

from tests.audio import samples_of, wav_bytes
from tests.e2e.wire import CLOSE, WITHOUT_LIMITS, chunk, connected

if TYPE_CHECKING:
    from tests.e2e.stack import Stack

AUDIO = wav_bytes(rate=16000, channels=1, seconds=0.2)


async def refusal(stack: Stack, path: str) -> tuple[int, Any]:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(stack.ws_url + path, **WITHOUT_LIMITS)
    response = refused.value.response
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, json.loads(response.body or b"")


@pytest.mark.parametrize(
    ("query", "error", "valid_values"),
    [
        ("sample_rate=1", "Invalid sample rate", [8000, 16000, 22050, 44100, 48000, 96000]),
        ("sample_rate=x", "Invalid sample rate", [8000, 16000, 22050, 44100, 48000, 96000]),
        ("channels=3", "Invalid channels", [1, 2]),
        ("format=ogg", "Invalid format", ["wav", "mp3", "flac", "aac"]),
    ],
)
async def test_an_unknown_parameter_refuses_the_handshake(
    stack: Stack, query: str, error: str, valid_values: list[Any]
) -> None:
    status, problem = await refusal(stack, f"/api/ws/audio?{query}")
    assert status == 400
    assert (problem["error"], problem["valid_values"]) == (error, valid_values)
    assert problem["code"] == "INVALID_REQUEST"


@pytest.mark.parametrize("session_id", ["no-uuid", str(uuid.UUID(int=17))])
async def test_a_session_that_is_not_there_refuses_the_handshake(
    stack: Stack, session_id: str
) -> None:
    status, problem = await refusal(stack, f"/api/ws/audio/{session_id}")
    assert (status, problem["error"]) == (400, "Session not found")
    assert problem["session_id"] == session_id


async def test_a_closed_session_refuses_the_handshake(stack: Stack) -> None:
    async with connected(stack) as wire:
        await wire.ask(CLOSE)
    status, problem = await refusal(stack, f"/api/ws/audio/{wire.session_id}")
    assert (status, problem["error"]) == (400, "Session already finalized")


async def test_another_users_session_is_as_one_that_is_not_there(stack: Stack) -> None:
    async with connected(stack, api_key=stack.api_key) as wire:
        status, problem = await refusal(stack, f"/api/ws/audio/{wire.session_id}")
        assert (status, problem["error"]) == (400, "Session not found")
        path = f"/api/audio/sessions/{wire.session_id}"
        theirs = stack.get(path, key=False)
        nobodys = stack.get(f"/api/audio/sessions/{uuid.uuid4()}", key=False)
        for answer in (theirs, nobodys):
            answer.body.pop("session_id")
            answer.body.pop("request_id")
        assert (theirs.status, theirs.body) == (nobodys.status, nobodys.body)
        assert stack.request("POST", f"{path}/close", key=False).status == 404


@pytest.mark.parametrize("credential", ["api_key=wrong", "token=wrong"])
async def test_a_wrong_key_refuses_the_handshake(stack: Stack, credential: str) -> None:
    status, problem = await refusal(stack, f"/api/ws/audio?{credential}")
    assert (status, problem["code"]) == (401, "INVALID_KEY")
    assert problem["error"] == "Invalid or missing API key"


async def test_a_key_streams_for_its_own_user_only(stack: Stack) -> None:
    status, problem = await refusal(stack, f"/api/ws/audio?api_key={stack.api_key}&user_id=eve")
    assert (status, problem["code"]) == (403, "FORBIDDEN")


BAD_MESSAGES: list[tuple[str | bytes, str]] = [
    ('{"type": "audio"', "Invalid JSON format"),
    ('{"type": "video"}', "Unknown message type"),
    ('{"type": "control", "action": "explode"}', "Unknown control action"),
    ("this is no base64", "Invalid JSON format"),
    ('{"type": "audio", "data": "***"}', "data is not valid base64"),
    ('{"type": "audio", "data": ""}', "The chunk is empty"),
    ("", "The chunk is empty"),
    (b"", "The chunk is empty"),
    ('{"type": "audio", "data": "AAAA", "seq": -1}', "seq must be a whole number"),
]


async def test_a_bad_message_gets_an_error_frame_and_stores_nothing(stack: Stack) -> None:
    async with connected(stack, sample_rate=16000) as wire:
        for message, error in BAD_MESSAGES:
            answer = await wire.ask(message)
            assert answer["error"].startswith(error), message
            assert answer["session_id"] == wire.session_id
        assert stack.session(wire.session_id)["total_chunks"] == 0
        assert (await wire.ask(chunk(AUDIO, 0)))["status"] == "active"
        await wire.ask(CLOSE)
    info = stack.finished(wire.session_id)
    assert samples_of(stack.download(info["download_url"])) == samples_of(AUDIO)


async def test_numbered_and_unnumbered_chunks_do_not_mix(stack: Stack) -> None:
    async with connected(stack) as wire:
        await wire.ask(chunk(AUDIO, 0))
        answer = await wire.ask(chunk(AUDIO))
        assert answer["message"] == "Failed to process chunk"
        assert answer["error"].startswith("seq is missing")
    assert stack.session(wire.session_id)["total_chunks"] == 1


async def test_a_message_over_128_kb_closes_the_connection_with_1009(stack: Stack) -> None:
    async with connected(stack) as wire:
        await wire.send(base64.b64encode(bytes(128 * 1024)).decode())
        await wire.websocket.wait_closed()
        assert wire.websocket.close_code == 1009
    assert stack.session(wire.session_id)["total_chunks"] == 0


async def test_a_chunk_after_the_close_is_refused_and_the_connection_kept(stack: Stack) -> None:
    async with connected(stack, sample_rate=16000) as wire:
        await wire.ask(chunk(AUDIO, 0))
        await wire.ask(CLOSE)
        answer = await wire.ask(chunk(AUDIO, 1))
        assert answer["error"] == "Session already finalized"
        assert (await wire.receive())["message"] == "Audio file ready"
    assert stack.session(wire.session_id)["total_chunks"] == 1


NOT_AUDIO = {
    "text": b"Dear Sir or Madam,\nthis is a letter and no audio.\n" * 100,
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20,
    "playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
}


@pytest.mark.parametrize("kind", NOT_AUDIO)
async def test_bytes_that_are_no_audio_end_the_session_in_error(stack: Stack, kind: str) -> None:
    async with connected(stack, format="mp3") as wire:
        await wire.ask(chunk(NOT_AUDIO[kind], 0))
        await wire.ask(CLOSE)
        failed = await wire.receive()
    assert (failed["message"], failed["status"]) == ("Audio processing failed", "error")
    info = stack.session(wire.session_id)
    assert (info["status"], info["processing_status"]) == ("error", "failed")
    assert info["error"] == failed["error"]
    assert info["error"]
    assert info["file_path"] is None
    assert info["total_chunks"] == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/audio/sessions/no-uuid", 404, "SESSION_NOT_FOUND"),
        ("POST", f"/api/audio/sessions/{uuid.UUID(int=0)}/close", 404, "SESSION_NOT_FOUND"),
        ("GET", "/api/audio/sessions?limit=0", 422, "INVALID_REQUEST"),
        ("GET", "/api/audio/sessions?limit=101", 422, "INVALID_REQUEST"),
        ("GET", "/api/audio/sessions?limit=x", 422, "INVALID_REQUEST"),
        ("GET", "/api/audio/sessions?cursor=x", 422, "INVALID_REQUEST"),
        ("GET", "/nothing", 404, "NOT_FOUND"),
        ("DELETE", "/api/audio/sessions", 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_a_bad_request_is_a_problem(
    stack: Stack, method: str, path: str, status: int, code: str
) -> None:
    answer = stack.request(method, path)
    assert (answer.status, answer.body["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["error"] == answer.body["detail"]
    assert answer.body["request_id"]


def test_a_list_of_sessions_needs_a_key(stack: Stack) -> None:
    answer = stack.get("/api/audio/sessions", key=False)
    assert (answer.status, answer.body["code"]) == (401, "INVALID_KEY")


@pytest.mark.parametrize("name", ["%0A", "%00", "%C3%28", "%2F%2E%2E", "a%0Ab"])
def test_a_path_may_hold_anything(stack: Stack, name: str) -> None:
    answer = stack.get(f"/api/audio/sessions/{name}")
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
