"""As strict as API Gateway: what is refused there is refused here, and our own client isn't."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import websockets

from audio_client import AudioStreamer
from tests.audio import samples_of, wav_bytes
from tests.e2e.stack import Stack, running
from tests.e2e.wire import chunk, connected

if TYPE_CHECKING:
    from collections.abc import Iterator

AUDIO = wav_bytes(rate=48000, channels=2, seconds=1.0)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("strict"), "--strict") as up:
        yield up


@pytest.mark.parametrize(
    ("message", "code"), [(AUDIO[:4000], 1003), (chunk(AUDIO[:30_000], 0), 1009)]
)
async def test_binary_and_large_frames_close_the_connection(
    strict: Stack, message: str | bytes, code: int
) -> None:
    async with connected(strict) as wire:
        await wire.send(message)
        await asyncio.wait_for(wire.websocket.wait_closed(), timeout=10)
        assert wire.websocket.close_code == code
    assert strict.session(wire.session_id)["total_chunks"] == 0


async def test_a_refused_handshake_has_its_status_and_no_body(strict: Stack) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(f"{strict.ws_url}/api/ws/audio?sample_rate=1")
    assert refused.value.response.status_code == 400
    assert not refused.value.response.body


async def test_our_client_streams_all_the_same(strict: Stack) -> None:
    async with AudioStreamer(f"{strict.ws_url}/api", api_key=strict.api_key) as streamer:
        await streamer.create_session(sample_rate=48000, channels=2)
        await streamer.stream(AUDIO)
        ready = await streamer.wait_until_ready()
    assert samples_of(strict.download(ready["download_url"])) == samples_of(AUDIO)
