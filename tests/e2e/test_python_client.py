"""Our own client, through the running stack: windows, reconnection, formats, the command line."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import TYPE_CHECKING

from local.services import ffmpeg
from tests.audio import encoded, samples_of, wav_bytes, write_wav
from tests.e2e.wire import streamer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.stack import Stack

LARGE = wav_bytes(rate=96000, channels=2, seconds=0.6)
"""More chunks than are in flight at once, and little to transcribe."""


def decoded(file: bytes, *, rate: int) -> bytes:
    """The samples of a whole file by a plain run of FFmpeg."""
    command = [str(ffmpeg.find()), "-v", "error", "-i", "pipe:0", "-ar", str(rate), "-ac", "1"]
    whole = subprocess.run(
        [*command, "-f", "s16le", "pipe:1"], input=file, check=True, capture_output=True
    )
    return whole.stdout


async def stream(
    stack: Stack, audio: bytes, *, rate: int, channels: int = 1, declared: str = "wav"
) -> bytes:
    """The samples that come out for the bytes of a file that went in."""
    async with streamer(stack) as client:
        await client.create_session(sample_rate=rate, channels=channels, format=declared)
        progress = await client.stream(audio)
        assert progress.bytes_acked == len(audio)
        await client.finish()
        ready = await client.wait_until_ready(timeout=math.inf)
    return samples_of(stack.download(ready["download_url"]))


async def test_a_file_in_a_window_of_chunks_comes_out_as_it_went_in(stack: Stack) -> None:
    assert await stream(stack, LARGE, rate=96000, channels=2) == samples_of(LARGE)


async def test_an_mp3_comes_out_as_it_decodes(stack: Stack) -> None:
    audio = encoded("mp3", "-write_xing", "0", rate=44100, seconds=0.5)
    streamed = await stream(stack, audio, rate=44100, declared="mp3")
    assert streamed == decoded(audio, rate=44100)


async def test_a_lost_connection_costs_nothing(stack: Stack) -> None:
    client = streamer(stack)
    await client.create_session(sample_rate=96000, channels=2)
    for at in range(0, len(LARGE), 60_000):
        await client.send(LARGE[at : at + 60_000])
        assert client.websocket is not None
        client.websocket.transport.abort()
    ready = await client.wait_until_ready(timeout=math.inf)
    await client.close_session()
    assert samples_of(stack.download(ready["download_url"])) == samples_of(LARGE)


def test_the_command_line_tells_where_the_file_is(stack: Stack, tmp_path: Path) -> None:
    sent = write_wav(tmp_path / "talk.wav", rate=16000, channels=2, seconds=1.0)
    command = [sys.executable, "-m", "audio_client", "stream", str(sent), "--json"]
    where = ["--url", f"{stack.ws_url}/api", "--api-key", stack.api_key]
    done = subprocess.run([*command, *where], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert (told["status"], told["duration_seconds"]) == ("completed", 1.0)
    assert samples_of(stack.download(told["download_url"])) == samples_of(sent.read_bytes())
