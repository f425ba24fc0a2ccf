"""As strict as API Gateway: what is refused there is refused here, and our own client isn't."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import websockets

from tests.audio import samples_of, wav_bytes
from tests.e2e.wire import WITHOUT_LIMITS, chunk, connected, streamer

if TYPE_CHECKING:
    from tests.e2e.stack import Stack

AUDIO = wav_bytes(rate=48000, channels=2, seconds=0.5)


@pytest.mark.parametrize(
    ("message", "code"), [(AUDIO[:4000], 1003), (chunk(AUDIO[:30_000], 0), 1009)]
)
async def test_binary_and_large_frames_close_the_connection(
    tuned: Stack, message: str | bytes, code: int
) -> None:
    async with connected(tuned) as wire:
        await wire.send(message)
        await wire.websocket.wait_closed()
        assert wire.websocket.close_code == code
    assert tuned.session(wire.session_id)["total_chunks"] == 0


async def test_a_refused_handshake_has_its_status_and_no_body(tuned: Stack) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(f"{tuned.ws_url}/api/ws/audio?sample_rate=1", **WITHOUT_LIMITS)
    assert refused.value.response.status_code == 400
    assert not refused.value.response.body


async def test_our_client_streams_all_the_same(tuned: Stack) -> None:
    async with streamer(tuned) as client:
        await client.create_session(sample_rate=48000, channels=2)
        await client.stream(AUDIO)
        ready = await client.wait_until_ready(timeout=math.inf)
    assert samples_of(tuned.download(ready["download_url"])) == samples_of(AUDIO)
