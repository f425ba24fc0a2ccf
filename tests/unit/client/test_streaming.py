"""Nothing is lost, doubled or out of place, whatever the server and the line do."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_client import (
    AudioStreamer,
    ChunkRefusedError,
    ConnectionFailedError,
    Progress,
    Retry,
    SessionRefusedError,
    StalledError,
)
from tests.patience import until_async
from tests.unit.client.fake_server import FakeServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from audio_client.sources import Source

QUICK = Retry(ack_timeout=60, first_delay=0.001, max_delay=0.01, poll=0.01)
"""Only connections are replaced at once: an answer that takes its time is no lost one."""
IMPATIENT = replace(QUICK, ack_timeout=0.05)
"""For answers that never come."""
AUDIO = bytes(range(256)) * 1000


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@given(
    sizes=st.lists(st.integers(1, 60_000), max_size=12),
    drops=st.sets(st.integers(1, 20), max_size=4),
    crashes=st.sets(st.integers(0, 20), max_size=2),
    stores_before_drop=st.booleans(),
    window=st.integers(1, 20),
)
def test_every_byte_arrives_once_and_in_order(
    *,
    sizes: list[int],
    drops: set[int],
    crashes: set[int],
    stores_before_drop: bool,
    window: int,
) -> None:
    given = [bytes([n % 256]) * size for n, size in enumerate(sizes)]

    async def story() -> FakeServer:
        server = FakeServer(
            drop_at=drops, crashes_on=crashes, stores_before_drop=stores_before_drop
        )
        async with (
            server.running(),
            AudioStreamer(server.url, window=window, retry=IMPATIENT) as streamer,
        ):
            await streamer.create_session()
            await streamer.stream(given)
        return server

    server = asyncio.run(story())
    assert server.session.audio == b"".join(given)
    assert server.session.announced_chunks == len(server.session.chunks)
    assert server.most_in_flight <= window


async def test_a_calm_line_carries_every_chunk_once(server: FakeServer) -> None:
    async with AudioStreamer(server.url) as streamer:
        await streamer.create_session()
        await streamer.stream(pieces(AUDIO, 5000))

    assert server.seqs == list(range(52))
    assert server.session.audio == AUDIO


async def test_the_window_fills_and_no_more(server: FakeServer) -> None:
    server.gate.clear()
    async with AudioStreamer(server.url, window=4) as streamer:
        await streamer.create_session()
        streaming = asyncio.create_task(streamer.stream(pieces(AUDIO, 5000)))
        await until_async(lambda: len(server.seqs) == 4)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(server.seqs) == 4

        server.gate.set()
        await streaming

    assert server.most_in_flight == 4
    assert server.session.audio == AUDIO


async def test_chunks_of_two_senders_do_not_mix(server: FakeServer) -> None:
    async with AudioStreamer(server.url, window=2) as streamer:
        await streamer.create_session()
        await asyncio.gather(streamer.send(b"a" * 100_000), streamer.send(b"b" * 100_000))

    assert server.session.audio == b"a" * 100_000 + b"b" * 100_000


@pytest.mark.parametrize("kind", ["bytes", "file", "iterable", "async iterable"])
async def test_audio_comes_from_anything_that_has_bytes(server: FakeServer, kind: str) -> None:
    async def asynchronous() -> AsyncIterator[bytes]:
        for piece in pieces(AUDIO, 10_000):
            yield piece

    sources: dict[str, Source] = {
        "bytes": AUDIO,
        "file": io.BytesIO(AUDIO),
        "iterable": iter(pieces(AUDIO, 10_000)),
        "async iterable": asynchronous(),
    }
    async with AudioStreamer(server.url) as streamer:
        await streamer.create_session()
        await streamer.stream(sources[kind])

    assert server.session.audio == AUDIO


async def test_progress_ends_with_everything_acknowledged(server: FakeServer) -> None:
    seen: list[Progress] = []
    async with AudioStreamer(server.url) as streamer:
        await streamer.create_session()
        total = await streamer.stream(pieces(AUDIO, 24_000), on_progress=seen.append)

    assert total == seen[-1] == Progress(len(AUDIO), len(AUDIO), 11)
    assert [each.bytes_acked for each in seen] == sorted(each.bytes_acked for each in seen)


async def test_a_dropped_connection_sends_again_only_what_the_server_lacks(
    server: FakeServer,
) -> None:
    server.drop_at, server.stores_before_drop = {3}, True
    async with AudioStreamer(server.url, window=1, retry=QUICK) as streamer:
        session_id = await streamer.create_session("me")
        await streamer.stream(pieces(AUDIO, 24_000))

    assert server.seqs == list(range(11))
    assert [each.path for each in server.handshakes[1:]] == [
        f"/api/ws/audio/{session_id}?user_id=me"
    ]


async def test_the_published_lockstep_survives_a_drop(server: FakeServer) -> None:
    server.drop_at, server.stores_before_drop = {2}, True
    streamer = AudioStreamer(server.url, retry=QUICK)
    await streamer.create_session()

    answers = [await streamer.send_audio_chunk(piece) for piece in (b"one", b"two", b"three")]
    await streamer.close_session()

    assert [answer["seq"] for answer in answers] == [0, 1, 2]
    assert {answer["message"] for answer in answers} == {"Chunk processed successfully"}
    assert server.session.audio == b"onetwothree"


async def test_a_restarting_server_is_waited_for() -> None:
    server = FakeServer()
    async with server.running():
        streamer = AudioStreamer(server.url, retry=QUICK)
        await streamer.create_session()
        await streamer.send(b"one")
        await streamer.flush()
    await streamer.send(b"two")
    async with server.running():
        await streamer.send(b"three")
        await streamer.close_session()

    assert server.session.audio == b"onetwothree"


async def test_passing_refusals_of_a_handshake_are_tried_again(server: FakeServer) -> None:
    async with AudioStreamer(server.url, retry=QUICK) as streamer:
        await streamer.create_session()
        server.refusals = [(500, None), (429, {"error": "Too many"}), (503, None)]
        server.drop_connections()
        await streamer.stream([AUDIO])

    assert server.session.audio == AUDIO


async def test_a_crash_that_names_no_chunk_is_made_good(
    server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.crashes_on = {0, 5}
    async with AudioStreamer(server.url, window=3, retry=IMPATIENT) as streamer:
        await streamer.create_session()
        await streamer.stream(pieces(AUDIO, 24_000))

    assert server.session.audio == AUDIO
    assert "Internal server error" in caplog.text


async def test_a_busy_server_gets_the_chunk_again(server: FakeServer) -> None:
    server.busy_on = {0, 1}
    async with AudioStreamer(server.url, retry=QUICK) as streamer:
        await streamer.create_session()
        await streamer.stream([AUDIO])

    assert server.session.audio == AUDIO


async def test_a_refused_chunk_raises_its_reason_and_the_session_goes_on(
    server: FakeServer,
) -> None:
    server.refuses_chunks = {1: "Chunk is larger than MAX_CHUNK_SIZE_MB"}
    streamer = AudioStreamer(server.url)
    await streamer.create_session()
    await streamer.send_audio_chunk(b"one")

    with pytest.raises(ChunkRefusedError, match="larger than MAX_CHUNK_SIZE_MB") as refused:
        await streamer.send_audio_chunk(b"two")

    assert refused.value.seq == 1
    assert (await streamer.send_audio_chunk(b"three"))["seq"] == 2
    await streamer.close_session()
    assert server.session.audio == b"onethree"


async def test_a_refusal_in_the_window_raises_from_flush(server: FakeServer) -> None:
    server.refuses_chunks = {2: "Not base64"}
    async with AudioStreamer(server.url) as streamer:
        await streamer.create_session()
        for _ in range(5):
            await streamer.send(b"audio")
        with pytest.raises(ChunkRefusedError, match="Chunk 2 was refused: Not base64"):
            await streamer.flush()
        await streamer.flush()


async def test_a_server_that_answers_nothing_stalls_and_keeps_the_audio(
    server: FakeServer,
) -> None:
    streamer = AudioStreamer(server.url, timeout=0.05)
    await streamer.create_session()
    server.gate.clear()
    await streamer.send(b"audio")

    with pytest.raises(StalledError, match="1 messages unacknowledged"):
        await streamer.flush()
    with pytest.raises(TimeoutError):
        await streamer.send(AUDIO * 2)

    server.gate.set()
    while True:
        with contextlib.suppress(StalledError):
            await streamer.flush()
            break
    assert server.session.audio == b"audio" + AUDIO * 2
    await streamer.close_session()


async def test_a_stall_says_what_is_wrong_with_the_line(caplog: pytest.LogCaptureFixture) -> None:
    server = FakeServer()
    async with server.running():
        streamer = AudioStreamer(server.url, retry=QUICK, timeout=0.1)
        await streamer.create_session()
    await streamer.send(b"audio")
    await until_async(lambda: f"Cannot connect to {server.url}" in caplog.text)

    with pytest.raises(StalledError, match=f"Cannot connect to {server.url}"):
        await streamer.flush()
    with pytest.raises(StalledError):
        await streamer.close_session()


async def test_a_session_that_is_gone_raises_instead_of_trying_for_ever(
    server: FakeServer,
) -> None:
    streamer = AudioStreamer(server.url, retry=QUICK)
    await streamer.create_session()
    server.gate.clear()
    await streamer.send(b"audio")
    server.sessions.clear()
    server.drop_connections()

    with pytest.raises(SessionRefusedError, match="Session not found"):
        await streamer.flush()
    with pytest.raises(SessionRefusedError):
        await streamer.send(b"more")
    with pytest.raises(SessionRefusedError):
        await streamer.close_session()
    assert streamer.websocket is None


async def test_a_refused_handshake_tells_status_reason_and_what_is_valid(
    server: FakeServer,
) -> None:
    problem = {"error": "Invalid sample rate", "valid_values": [8000, 16000]}
    server.refusals = [(400, problem)]

    with pytest.raises(SessionRefusedError) as refused:
        await AudioStreamer(server.url).create_session(sample_rate=12345)

    assert refused.value.status == 400
    assert refused.value.valid_values == (8000, 16000)
    assert str(refused.value) == "Invalid sample rate (valid: 8000, 16000)"


async def test_a_refusal_without_a_body_tells_its_status(server: FakeServer) -> None:
    server.refusals = [(401, None)]

    with pytest.raises(SessionRefusedError, match="401 Unauthorized"):
        await AudioStreamer(server.url).create_session()


async def test_nobody_at_the_address_is_said_at_once() -> None:
    server = FakeServer()
    async with server.running():
        pass
    with pytest.raises(
        ConnectionFailedError, match=f"Cannot connect to {server.url}: connection refused"
    ):
        await AudioStreamer(server.url).create_session()


async def test_an_idle_connection_is_kept(server: FakeServer) -> None:
    streamer = AudioStreamer(server.url, retry=Retry(keepalive=0.01))
    await streamer.create_session()

    await until_async(lambda: len(server.actions) >= 2)
    await streamer.close_session()

    assert set(server.actions) == {"keepalive", "close_session"}


async def test_an_exception_leaves_the_session_to_be_resumed(server: FakeServer) -> None:
    streamer = AudioStreamer(server.url)

    async def fail() -> None:
        async with streamer:
            await streamer.create_session()
            await streamer.send_audio_chunk(b"one")
            raise KeyError

    with pytest.raises(KeyError):
        await fail()

    assert streamer.session_id == server.session.id
    assert streamer.websocket is None
    async with AudioStreamer(server.url) as another:
        await another.connect_to_session(server.session.id)
        await another.send(b"two")
    assert server.session.audio == b"onetwo"
    assert server.session.status == "completed"


async def test_a_close_that_fails_is_logged_not_raised(
    server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    streamer = AudioStreamer(server.url, retry=QUICK)
    await streamer.create_session()
    await streamer.send_audio_chunk(b"audio")
    server.refusals = [(401, None)]
    server.drop_connections()
    await until_async(lambda: streamer.websocket is None)

    with caplog.at_level(logging.WARNING):
        await streamer.close_session()

    assert "Error closing session: 401 Unauthorized" in caplog.text
    assert streamer.session_id is None


async def test_a_window_for_no_chunk_is_an_error() -> None:
    with pytest.raises(ValueError, match="window of 0"):
        AudioStreamer(window=0)
