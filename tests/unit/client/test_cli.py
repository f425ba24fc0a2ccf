"""`python -m audio_client stream`, as its users see it."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sys
import wave
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest

from audio_client.cli import main
from audio_client.frames import CHUNK_BYTES
from tests.patience import until_async

if TYPE_CHECKING:
    from tests.unit.client.fake_server import FakeServer

CLIENT = Path(__file__).parents[3] / "clients" / "python"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command finds a stack that runs in the checkout, or that somebody's environment names."""
    monkeypatch.chdir(tmp_path)
    for name in ("AUDIO_URL", "AUDIO_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def speech_file() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(48000)
        writer.writeframes(bytes(range(256)) * 400)
    return file.getvalue()


SPEECH = speech_file()


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def opened(path: Path) -> BinaryIO:
    return path.open("rb")


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    return write(tmp_path / "speech.wav", SPEECH)


async def run(*arguments: object) -> int:
    """In a thread, because the command has an event loop of its own."""
    return await asyncio.to_thread(main, [str(each) for each in arguments])


async def process(*arguments: object, stdin: BinaryIO | int = PIPE) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "audio_client", *map(str, arguments)),
        env={**os.environ, "PYTHONPATH": str(CLIENT)},
        stdin=stdin,
        stdout=PIPE,
        stderr=PIPE,
    )


def result(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (line,) = capsys.readouterr().out.splitlines()
    values: dict[str, Any] = json.loads(line)
    return values


async def test_a_file_is_streamed_and_its_result_printed(
    server: FakeServer, speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = await run("stream", speech, "--url", server.url)

    shown = capsys.readouterr()
    file = f"audio_sessions/{server.session.id}.wav"
    assert status == 0
    assert server.session.audio == SPEECH
    assert shown.out.splitlines() == [
        f"session id        {server.session.id}",
        "status            completed",
        "duration seconds  1.5",
        "lost seconds      0.0",
        f"file path         {file}",
        f"download url      http://127.0.0.1/bucket/{file}?signature=1",
        f"bytes sent        {len(SPEECH)}",
        "chunks sent       5",
    ]
    assert "speech.wav" in shown.err
    assert "5 acked" in shown.err


async def test_json_is_one_object_and_no_bar(
    server: FakeServer, speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = await run("stream", speech, "--url", server.url, "--json")

    shown = capsys.readouterr()
    assert status == 0
    assert shown.err == ""
    assert json.loads(shown.out) == {
        "session_id": server.session.id,
        "status": "completed",
        "duration_seconds": 1.5,
        "lost_seconds": 0.0,
        "file_path": f"audio_sessions/{server.session.id}.wav",
        "missing_chunks": [],
        "download_url": json.loads(shown.out)["download_url"],
        "bytes_sent": len(SPEECH),
        "chunks_sent": 5,
    }


async def test_the_file_itself_tells_the_parameters(server: FakeServer, speech: Path) -> None:
    mp3 = write(speech.with_suffix(".MP3"), b"\xff\xfb" + bytes(500))

    await run("stream", speech, "--url", server.url)
    await run("stream", mp3, "--url", server.url)

    assert [each.path.partition("?")[2] for each in server.handshakes] == [
        "sample_rate=48000&channels=2&format=wav",
        "sample_rate=44100&channels=1&format=mp3",
    ]


async def test_options_count_more_than_the_file(server: FakeServer, speech: Path) -> None:
    options = ("--sample-rate", 8000, "--channels", 1, "--format", "flac", "--user-id", "me")
    await run("stream", speech, "--url", server.url, *options)

    assert server.handshakes[0].path.partition("?")[2] == (
        "user_id=me&sample_rate=8000&channels=1&format=flac"
    )


async def test_not_waiting_ends_with_the_closed_session(
    server: FakeServer, speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.polls_before_ready = 1000

    status = await run("stream", speech, "--url", server.url, "--no-wait", "--json")

    assert status == 0
    assert server.session.announced_chunks == 5
    assert result(capsys)["file_path"] is None


async def test_a_session_is_resumed_where_it_stopped(
    server: FakeServer, speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = server.open_session(SPEECH[:CHUNK_BYTES], SPEECH[CHUNK_BYTES : 2 * CHUNK_BYTES])

    status = await run(
        "stream", speech, "--url", server.url, "--session", session.id, "--json", "--window", 1
    )

    assert status == 0
    assert server.seqs == [2, 3, 4]
    assert session.audio == SPEECH
    assert result(capsys)["bytes_sent"] == len(SPEECH) - 2 * CHUNK_BYTES


async def test_a_session_of_another_file_is_not_resumed(
    server: FakeServer, speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = server.open_session(*[b"audio"] * 6)

    status = await run("stream", speech, "--url", server.url, "--session", session.id)

    assert status == 1
    assert "The session holds 6 chunks, more than this file has" in capsys.readouterr().err
    assert session.status == "active"


async def test_real_time_is_as_long_as_the_audio(server: FakeServer, tmp_path: Path) -> None:
    raw = write(tmp_path / "short.wav", bytes(9600))
    now = asyncio.get_running_loop().time
    start = now()

    await run("stream", raw, "--url", server.url, "--real-time", "--sample-rate", 48000)

    assert now() - start >= 0.1
    assert server.session.audio == bytes(9600)


@pytest.mark.parametrize("regular", [True, False])
async def test_standard_input_is_streamed(
    server: FakeServer, speech: Path, *, regular: bool
) -> None:
    with opened(speech) as file:
        running = await process(
            "stream", "-", "--url", server.url, "--json", stdin=file if regular else PIPE
        )
        out, _ = await running.communicate(None if regular else SPEECH)

    assert running.returncode == 0
    assert json.loads(out)["bytes_sent"] == len(SPEECH)
    assert server.session.audio == SPEECH


async def test_standard_input_goes_on_with_a_session(server: FakeServer) -> None:
    session = server.open_session(b"one", b"two")
    running = await process("stream", "-", "--url", server.url, "--session", session.id)
    await running.communicate(b"three")

    assert running.returncode == 0
    assert session.audio == b"onetwothree"


async def test_standard_input_cannot_fill_the_gaps_of_a_session(server: FakeServer) -> None:
    session = server.open_session(b"one", b"two")
    session.chunks[5] = b"six"
    running = await process("stream", "-", "--url", server.url, "--session", session.id)
    _, err = await running.communicate(b"three")

    assert running.returncode == 1
    assert "error: This session misses chunks" in err.decode()
    assert session.status == "active"


async def test_interrupting_says_how_to_resume(server: FakeServer, speech: Path) -> None:
    server.gate.clear()
    running = await process("stream", speech, "--url", server.url, "--api-key", "secret")
    await until_async(lambda: len(server.seqs) == 5)

    running.send_signal(signal.SIGINT)
    _, err = await running.communicate()

    assert running.returncode == 130
    assert "error: interrupted" in err.decode()
    assert (
        f"Session {server.session.id} is open; resume with: python -m audio_client stream {speech}"
        f" --url {server.url} --session {server.session.id} --api-key …"
    ) in err.decode()
    assert "Traceback" not in err.decode()
    assert "secret" not in err.decode()


async def test_interrupting_a_pipe_that_gives_nothing_ends_it(server: FakeServer) -> None:
    running = await process("stream", "-", "--url", server.url, "--json")
    await until_async(lambda: len(server.sessions) == 1 and len(server.connections) == 1)

    running.send_signal(signal.SIGINT)
    await running.wait()
    out, err = await running.communicate()

    assert running.returncode == 130
    assert json.loads(out)["error"] == "interrupted"
    assert "Traceback" not in err.decode()


async def test_a_refusal_is_one_clear_line(
    server: FakeServer, speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.refusals = [(400, {"error": "Invalid sample rate", "valid_values": [8000, 16000]})]

    status = await run("stream", speech, "--url", server.url, "--sample-rate", 123)

    shown = capsys.readouterr()
    assert status == 1
    assert shown.err == "error: Invalid sample rate (valid: 8000, 16000)\n"
    assert shown.out == ""


async def test_a_failure_in_json_is_an_object_too(
    server: FakeServer, speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.fails_processing = "This is no audio"

    status = await run("stream", speech, "--url", server.url, "--json")

    assert status == 1
    assert result(capsys) == {
        "session_id": server.session.id,
        "status": "error",
        "error": "This is no audio",
    }


async def test_trouble_on_the_way_is_shown(
    server: FakeServer, speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.drop_at, server.stores_before_drop = {2}, True

    status = await run("stream", speech, "--url", server.url, "--window", 1)

    assert status == 0
    assert "Connection lost" in capsys.readouterr().err
    assert server.session.audio == SPEECH


async def test_the_environment_tells_the_stack(
    server: FakeServer, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIO_URL", server.url)
    monkeypatch.setenv("AUDIO_API_KEY", "from-environment")

    assert await run("stream", speech) == 0
    assert server.handshakes[0].headers["x-api-key"] == "from-environment"


async def test_a_stack_in_the_directory_is_found(
    server: FakeServer, speech: Path, tmp_path: Path
) -> None:
    stack = {"ws_url": server.url.removesuffix("/api"), "api_key": "dev-key"}
    write(tmp_path / ".local/stack.json", json.dumps(stack).encode())

    assert await run("stream", speech) == 0
    assert await run("stream", speech, "--url", server.url) == 0

    assert server.handshakes[0].headers["x-api-key"] == "dev-key"
    assert "x-api-key" not in server.handshakes[1].headers


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("missing.wav",), "missing.wav: No such file or directory"),
        (("speech.wav", "--url", "http://host/api"), "'http://host/api' is no address"),
        (("speech.wav", "--window", "0"), "window of 0"),
        (("speech.mp3", "--real-time"), "--real-time needs WAV"),
    ],
)
async def test_what_cannot_be_run_is_a_usage_error(
    arguments: tuple[str, ...], reason: str, speech: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(speech.with_suffix(".mp3"), b"\xff\xfb")
    assert await run("stream", *arguments) == 2
    assert reason in capsys.readouterr().err


async def test_a_stack_file_that_cannot_be_used_is_said(
    speech: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / ".local/stack.json", b"{")

    assert await run("stream", speech) == 2
    assert ".local/stack.json can't be used" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["stream"], ["stream", "a.wav", "--format", "ogg"]])
def test_argparse_says_the_rest(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
