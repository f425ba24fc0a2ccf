"""`python -m audio_client upload`, as its users see it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from audio_client.cli import main
from tests.patience import until
from tests.unit.client.fake_uploads import FakeUploads

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = Path(__file__).parents[3] / "clients" / "python"
CONTENT = random.Random(1).randbytes(7_654)  # eight parts


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command finds a stack or an upload that is not the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("AUDIO_URL", "AUDIO_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[FakeUploads]:
    with FakeUploads().running() as running:
        yield running


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    file = tmp_path / "talk.wav"
    file.write_bytes(CONTENT)
    return file


def run(server: FakeUploads, *arguments: object) -> int:
    return main(["upload", "--url", server.url, *map(str, arguments)])


def started(server: FakeUploads, *arguments: object) -> subprocess.Popen[str]:
    """The command in a process of its own, which a signal may end."""
    return subprocess.Popen(
        [sys.executable, "-m", "audio_client", "upload", "--url", server.url]
        + [str(argument) for argument in arguments],
        env={**os.environ, "PYTHONPATH": str(CLIENT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_file_is_uploaded_and_its_result_printed(
    server: FakeUploads, talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(server, talk) == 0

    shown = capsys.readouterr()
    assert server.upload.content == CONTENT
    assert shown.out.splitlines() == [
        "upload id       upload1",
        "user id         dev/user",
        "file id         file-upload1",
        "file extension  wav",
        "file name       talk.wav",
        "file size       7654",
        "bytes sent      7654",
    ]
    assert "talk.wav" in shown.err
    assert "7.7/7.7 kB" in shown.err


def test_json_is_one_object_and_no_bar(
    server: FakeUploads, talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(server, talk, "--json", "--file-id", "noon") == 0

    shown = capsys.readouterr()
    assert shown.err == ""
    assert json.loads(shown.out) == {
        "upload_id": "upload1",
        "user_id": "dev/user",
        "file_id": "noon",
        "file_extension": "wav",
        "file_name": "talk.wav",
        "file_size": 7654,
        "bytes_sent": 7654,
        "task": None,
    }


def test_results_of_processing_are_printed(
    server: FakeUploads, talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = {"duration_seconds": 1.5, "urls": {"srt": "http://127.0.0.1/a.srt", "vtt": None}}
    server.task = [
        {"status": "STARTED", "progress": {"phase": "analysing"}},
        {"status": "SUCCESS", "result": result},
    ]

    assert run(server, talk, "--process") == 0

    shown = capsys.readouterr()
    assert shown.out.splitlines()[-3:] == [
        "task id           task1",
        "duration seconds  1.5",
        "urls srt          http://127.0.0.1/a.srt",
    ]
    assert "talk.wav: success" in shown.err


def test_processing_that_fails_is_said(
    server: FakeUploads, talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.task = [{"status": "FAILURE", "error": "This is no audio"}]

    assert run(server, talk, "--process", "--json") == 1

    shown = capsys.readouterr()
    assert shown.err == "error: This is no audio\n"
    assert json.loads(shown.out) == {
        "task_id": "task1",
        "file_id": "file-upload1",
        "status": "error",
        "error": "This is no audio",
    }


def held_after_five(server: FakeUploads, talk: Path, *options: str) -> subprocess.Popen[str]:
    """A command that has sent five parts, and whose others stay on their way."""
    server.admits = 5
    running = started(server, talk, *options)
    until(lambda: len(server.sent) == 5 and server.in_flight == 3)
    server.admits = 10**9
    return running


def test_a_command_that_was_killed_goes_on(
    server: FakeUploads, talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running = held_after_five(server, talk)
    running.kill()
    running.communicate()
    arrived = server.sent

    assert run(server, talk) == 0

    assert sorted(server.sent[5:]) == sorted({*range(1, 9)} - {*arrived})
    assert server.upload.content == CONTENT
    sent = sum(len(server.upload.parts[number]) for number in server.sent[5:])
    assert f"bytes sent      {sent}\n" in capsys.readouterr().out


def test_interrupting_says_how_to_go_on(server: FakeUploads, talk: Path) -> None:
    running = held_after_five(server, talk, "--api-key", "secret", "--file-id", "noon")
    running.send_signal(signal.SIGINT)
    _, shown = running.communicate()

    assert running.returncode == 130
    assert "error: interrupted" in shown
    assert (
        "What has arrived is kept for a day; go on with: python -m audio_client upload "
        f"{talk} --url {server.url} --file-id noon --api-key …"
    ) in shown
    assert "Traceback" not in shown
    assert "secret" not in shown
    assert server.upload.status == "uploading"


def test_a_server_that_is_lost_says_how_to_go_on(
    server: FakeUploads, talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults = [("POST .*/complete", 401, {})]
    assert run(server, talk, "--process", "--json") == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"status": "error", "error": "fault 401"}
    assert f"upload {talk} --url {server.url} --process" in shown.err


def test_a_refusal_is_one_clear_line(
    server: FakeUploads, talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults = [("POST /recordings/uploads", 422, {})]
    assert run(server, talk) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err.strip()) == ("", "error: fault 422")


def test_a_file_that_has_changed_is_said(
    server: FakeUploads, talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults = [("POST .*/complete", 409, {})]
    assert run(server, talk) == 1
    talk.write_bytes(CONTENT[1:])
    capsys.readouterr()

    assert run(server, talk) == 0

    assert "talk.wav has changed since its upload began: starting anew" in capsys.readouterr().err
    assert [upload.status for upload in server.uploads.values()] == ["aborted", "completed"]


def test_the_environment_tells_the_stack(
    server: FakeUploads, talk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIO_URL", server.url.replace("http", "ws", 1) + "/api")
    monkeypatch.setenv("AUDIO_API_KEY", "from-environment")
    assert main(["upload", str(talk)]) == 0
    assert server.requests[0].headers["x-api-key"] == "from-environment"


def test_a_stack_in_the_directory_is_found(server: FakeUploads, talk: Path, tmp_path: Path) -> None:
    where = {"ws_url": server.url.replace("http", "ws", 1), "api_key": "dev-key"}
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local/stack.json").write_text(json.dumps(where))
    assert main(["upload", str(talk)]) == 0
    assert server.requests[0].headers["x-api-key"] == "dev-key"


def test_a_websocket_apis_own_address_needs_the_http_apis_beside_it(
    server: FakeUploads, talk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sockets = ["--url", "wss://id.execute-api.us-east-1.amazonaws.com/live"]
    assert main(["upload", str(talk), *sockets]) == 2
    assert "WebSocket API's own address" in capsys.readouterr().err
    assert main(["upload", str(talk), *sockets, "--http-url", server.url]) == 0


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("missing.wav", "missing.wav: No such file or directory"),
        ("empty.wav", "empty.wav: the file is empty"),
        (".", "not a regular file"),
    ],
)
def test_what_cannot_be_uploaded_is_a_usage_error(
    server: FakeUploads, file: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty.wav").touch()
    assert run(server, file) == 2
    assert reason in capsys.readouterr().err
    assert server.requests == []


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["upload", "--help"])
    assert "python -m audio_client upload talk.m4a --url" in capsys.readouterr().out
