"""The file of a session: told on the connection, or asked for over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audio_client import (
    AudioStreamer,
    ConnectionFailedError,
    NotConnectedError,
    ProcessingFailedError,
    Retry,
    SessionRefusedError,
    StalledError,
)

if TYPE_CHECKING:
    from tests.unit.client.fake_server import FakeServer

QUICK = Retry(ack_timeout=0.05, first_delay=0.001, max_delay=0.01, poll=0.005)


async def streamed(server: FakeServer) -> AudioStreamer:
    streamer = AudioStreamer(server.url, retry=QUICK)
    await streamer.create_session()
    await streamer.send_audio_chunk(b"audio")
    return streamer


async def test_the_connection_tells_when_the_file_is_ready(server: FakeServer) -> None:
    streamer = await streamed(server)

    ready = await streamer.wait_until_ready()

    assert ready["message"] == "Audio file ready"
    assert ready["file_path"] == f"audio_sessions/{server.session.id}.wav"
    assert ready["duration_seconds"] == 1.5
    assert server.session.announced_chunks == 1
    await streamer.close_session()


async def test_finish_tells_that_the_session_is_closed(server: FakeServer) -> None:
    streamer = await streamed(server)

    closed = await streamer.finish()

    assert (closed["message"], closed["status"]) == ("Session closed successfully", "completed")
    assert streamer.is_closed
    assert (await streamer.wait_until_ready())["status"] == "completed"
    await streamer.close_session()


async def test_without_the_connection_the_file_is_asked_for(server: FakeServer) -> None:
    server.polls_before_ready = 2
    streamer = await streamed(server)

    ready = await streamer.wait_until_ready()

    assert ready == {
        "message": "Audio file ready",
        "status": "completed",
        "session_id": server.session.id,
        "file_path": f"audio_sessions/{server.session.id}.wav",
        "duration_seconds": 1.5,
        "lost_seconds": 0.0,
        "missing_chunks": [],
        "download_url": ready["download_url"],
    }
    assert server.polls_before_ready < 0
    await streamer.close_session()


async def test_the_file_may_be_awaited_after_the_close(server: FakeServer) -> None:
    streamer = await streamed(server)
    await streamer.close_session()

    assert (await streamer.wait_until_ready())["duration_seconds"] == 1.5


async def test_a_notice_that_never_comes_is_asked_for(server: FakeServer) -> None:
    streamer = await streamed(server)
    server.gate.clear()

    assert (await streamer.wait_until_ready())["message"] == "Audio file ready"
    server.gate.set()
    await streamer.close_session()


async def test_a_lost_answer_to_the_close_is_no_failure(server: FakeServer) -> None:
    server.drops_on_close = True
    streamer = await streamed(server)

    assert (await streamer.wait_until_ready())["message"] == "Audio file ready"
    await streamer.close_session()


async def test_a_session_closed_by_somebody_else_is_ready_too(server: FakeServer) -> None:
    streamer = await streamed(server)
    another = AudioStreamer(server.url)
    await another.connect_to_session(server.session.id)
    await another.close_session()
    server.drop_connections()

    assert (await streamer.wait_until_ready())["message"] == "Audio file ready"
    await streamer.close_session()


@pytest.mark.parametrize("polls", [0, 1])
async def test_audio_that_is_none_fails_with_the_reason(server: FakeServer, polls: int) -> None:
    server.fails_processing, server.polls_before_ready = "This is no audio", polls
    streamer = await streamed(server)

    with pytest.raises(ProcessingFailedError, match="This is no audio"):
        await streamer.wait_until_ready()
    await streamer.close_session()


@pytest.mark.parametrize("polls", [0, 1])
async def test_a_session_without_audio_has_no_file(server: FakeServer, polls: int) -> None:
    server.polls_before_ready = polls
    streamer = AudioStreamer(server.url, retry=QUICK)
    await streamer.create_session()

    with pytest.raises(ProcessingFailedError, match="No audio received"):
        await streamer.wait_until_ready()
    await streamer.close_session()


async def test_a_file_that_takes_too_long_is_a_timeout(server: FakeServer) -> None:
    server.polls_before_ready = 1000
    streamer = await streamed(server)

    with pytest.raises(StalledError, match=r"No file after 0\.1 s"):
        await streamer.wait_until_ready(timeout=0.1)
    await streamer.close_session()


async def test_a_question_that_is_refused_raises(server: FakeServer) -> None:
    server.polls_before_ready = 1
    streamer = await streamed(server)
    await streamer.close_session()
    server.sessions.clear()

    with pytest.raises(SessionRefusedError, match="Session not found"):
        await streamer.wait_until_ready()


async def test_a_web_socket_api_of_aws_needs_the_http_address_to_ask(server: FakeServer) -> None:
    server.polls_before_ready = 1
    native = server.url.replace("/api", "/dev")
    streamer = AudioStreamer(native, retry=QUICK)
    await streamer.create_session()
    with pytest.raises(ConnectionFailedError, match="http_url"):
        await streamer.wait_until_ready()
    await streamer.close_session()

    server.sessions.clear()
    knowing = AudioStreamer(native, http_url=server.url.replace("ws", "http"), retry=QUICK)
    await knowing.create_session()
    await knowing.send(b"audio")
    assert (await knowing.wait_until_ready())["message"] == "Audio file ready"
    await knowing.close_session()


async def test_there_is_no_file_without_a_session() -> None:
    with pytest.raises(NotConnectedError):
        await AudioStreamer().wait_until_ready()
