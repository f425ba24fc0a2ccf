"""Code written for the published `AudioStreamer` works with this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audio_client import AudioStreamer

if TYPE_CHECKING:
    from tests.unit.client.fake_server import FakeServer

AUDIO = bytes(range(256)) * 400


async def test_the_published_example_streams_a_file(server: FakeServer) -> None:
    streamer = AudioStreamer(server.url)

    session_id = await streamer.create_session(user_id="user123", sample_rate=48000, channels=2)
    counts = []
    for start in range(0, len(AUDIO), 8192):
        response = await streamer.send_audio_chunk(AUDIO[start : start + 8192])
        counts.append(response["chunk_count"])
    await streamer.close_session()

    assert counts == list(range(1, 14))
    assert server.sessions[session_id].audio == AUDIO
    assert server.sessions[session_id].status == "completed"
    assert (streamer.session_id, streamer.websocket) == (None, None)


async def test_the_session_gets_the_parameters(server: FakeServer) -> None:
    streamer = AudioStreamer(server.url)

    await streamer.create_session("user 1", sample_rate=48000, channels=2, format="flac")
    await streamer.close_session()

    assert server.handshakes[0].path == (
        "/api/ws/audio?user_id=user+1&sample_rate=48000&channels=2&format=flac"
    )


async def test_an_existing_session_goes_on_where_it_stopped(server: FakeServer) -> None:
    session = server.open_session(b"one", b"two")
    streamer = AudioStreamer(server.url)

    await streamer.connect_to_session(session.id, user_id="user123")
    response = await streamer.send_audio_chunk(b"three")
    await streamer.close_session()

    assert server.handshakes[0].path == f"/api/ws/audio/{session.id}?user_id=user123"
    assert response["chunk_count"] == 3
    assert session.audio == b"onetwothree"


async def test_a_large_chunk_is_sent_in_frames_that_the_gateway_takes(server: FakeServer) -> None:
    streamer = AudioStreamer(server.url)
    await streamer.create_session()

    response = await streamer.send_audio_chunk(AUDIO)
    await streamer.close_session()

    assert server.session.audio == AUDIO
    assert max(server.frame_sizes) <= 32 * 1024
    assert response["seq"] == 4


async def test_the_attributes_tell_the_connection(server: FakeServer) -> None:
    streamer = AudioStreamer(server.url)
    assert (streamer.base_url, streamer.session_id, streamer.websocket) == (server.url, None, None)

    await streamer.create_session()

    assert streamer.session_id == server.session.id
    assert streamer.websocket
    await streamer.close_session()


async def test_the_default_is_the_local_stack() -> None:
    assert AudioStreamer().base_url == "ws://localhost:8000/api"


async def test_sending_without_a_session_is_a_runtime_error(server: FakeServer) -> None:
    streamer = AudioStreamer(server.url)

    with pytest.raises(RuntimeError, match="Not connected to any session"):
        await streamer.send_audio_chunk(b"audio")
    await streamer.close_session()  # which there is nothing of, as published

    await streamer.create_session()
    await streamer.close_session()
    with pytest.raises(RuntimeError, match="Not connected to any session"):
        await streamer.send_audio_chunk(b"audio")


async def test_an_empty_chunk_is_refused_before_it_is_sent(server: FakeServer) -> None:
    streamer = AudioStreamer(server.url)
    await streamer.create_session()

    with pytest.raises(ValueError, match="without audio"):
        await streamer.send_audio_chunk(b"")
    await streamer.close_session()

    assert server.session.announced_chunks == 0


async def test_one_streamer_makes_one_session_after_another(server: FakeServer) -> None:
    streamer = AudioStreamer(server.url)

    first = await streamer.create_session()
    second = await streamer.create_session()
    await streamer.send_audio_chunk(b"audio")
    await streamer.close_session()

    assert server.sessions[first].status == "active"
    assert server.sessions[second].audio == b"audio"
