"""The clients that seed 001 published, as its users have them: no key, binary frames, no numbers.

They must work unchanged but for the port, and for their patience of some seconds, which a busy
machine may take. Both examples answer one message behind the greeting, so
that their close overtakes nothing only because the service lets a close settle.
"""

from __future__ import annotations

import json
import subprocess
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import websockets

from tests.audio import samples_of, write_wav
from tests.e2e.wire import WITHOUT_LIMITS

if TYPE_CHECKING:
    from tests.e2e.stack import Stack


def check(stack: Stack, session_id: str, sent: Path) -> None:
    """The session's WAV holds just the samples of the file that was sent."""
    answer = stack.get(f"/api/audio/sessions/{session_id}", key=False)
    assert answer.status == 200
    info = stack.finished(session_id)
    assert info["file_path"] == f"audio_sessions/{session_id}.wav"
    assert info["status"] == "completed"
    with wave.open(str(sent)) as original:
        assert info["duration_seconds"] == pytest.approx(
            original.getnframes() / original.getframerate()
        )
    assert samples_of(stack.download(info["download_url"])) == samples_of(sent.read_bytes())


async def stream_basic(base: str, path: Path) -> str:
    """The basic example: sends a file in pieces of 4 KB and reads one frame for each."""
    session_id = ""
    address = f"{base}/ws/audio?sample_rate=44100&channels=1"
    async with websockets.connect(address, **WITHOUT_LIMITS) as websocket:
        with path.open("rb") as audio:
            while chunk := audio.read(4096):
                await websocket.send(chunk)
                data = json.loads(await websocket.recv())
                assert data["message"]
                assert data["chunk_count"] >= 0
                session_id = session_id or data["session_id"]
        await websocket.send(json.dumps({"type": "control", "action": "close_session"}))
        json.loads(await websocket.recv())
    return session_id


class PublishedStreamer:
    """The advanced example's class, by its published methods."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.session_id = ""
        self.websocket: Any = None

    async def create_session(self, **params: object) -> str:
        query = "&".join(f"{name}={value}" for name, value in params.items())
        self.websocket = await websockets.connect(
            f"{self.base_url}/ws/audio?{query}", **WITHOUT_LIMITS
        )
        self.session_id = json.loads(await self.websocket.recv())["session_id"]
        return self.session_id

    async def connect_to_session(self, session_id: str, user_id: str) -> None:
        uri = f"{self.base_url}/ws/audio/{session_id}?user_id={user_id}"
        self.websocket = await websockets.connect(uri, **WITHOUT_LIMITS)

    async def send_audio_chunk(self, data: bytes) -> Any:
        await self.websocket.send(data)
        return json.loads(await self.websocket.recv())

    async def close_session(self) -> Any:
        await self.websocket.send(json.dumps({"type": "control", "action": "close_session"}))
        answer = json.loads(await self.websocket.recv())
        await self.websocket.close()
        return answer


async def test_the_basic_python_example(stack: Stack, tmp_path: Path) -> None:
    sent = write_wav(tmp_path / "audio_file.wav", rate=44100, channels=1, seconds=1.5)
    check(stack, await stream_basic(f"{stack.ws_url}/api", sent), sent)


async def test_the_python_audio_streamer(stack: Stack, tmp_path: Path) -> None:
    sent = write_wav(tmp_path / "example.wav", rate=48000, channels=2, seconds=1.0)
    streamer = PublishedStreamer(f"{stack.ws_url}/api")
    session_id = await streamer.create_session(
        sample_rate=48000, channels=2, format="wav", user_id="user123"
    )
    with sent.open("rb") as audio:
        while chunk := audio.read(8192):
            response = await streamer.send_audio_chunk(chunk)
    assert response["message"] == "Chunk processed successfully"
    assert response["chunk_count"] > 0
    closed = await streamer.close_session()
    assert (closed["message"], closed["status"]) == ("Session closed successfully", "completed")
    check(stack, session_id, sent)


async def test_the_python_audio_streamer_comes_back_to_its_session(
    stack: Stack, tmp_path: Path
) -> None:
    sent = write_wav(tmp_path / "example.wav", rate=48000, channels=2, seconds=0.5)
    first, rest = sent.read_bytes()[:30_000], sent.read_bytes()[30_000:]
    streamer = PublishedStreamer(f"{stack.ws_url}/api")
    session_id = await streamer.create_session(sample_rate=48000, channels=2, user_id="user123")
    await streamer.send_audio_chunk(first)
    await streamer.websocket.close()
    await streamer.connect_to_session(session_id, "user123")
    await streamer.send_audio_chunk(rest)
    await streamer.close_session()
    check(stack, session_id, sent)


def test_the_javascript_example(stack: Stack, tmp_path: Path) -> None:
    """It sends as fast as it can, without waiting for anything."""
    sent = write_wav(tmp_path / "audio.wav", rate=48000, channels=2, seconds=0.5)
    script = Path(__file__).parent / "published_client.js"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    has_websocket = int(version.stdout.lstrip("v").split(".")[0]) >= 22
    flags = [] if has_websocket else ["--experimental-websocket"]
    done = subprocess.run(
        ["node", *flags, script, f"{stack.ws_url}/api", sent],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    check(stack, done.stdout.split()[-1], sent)
