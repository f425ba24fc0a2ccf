"""Logs are read by function, time and text, together in the order of time."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from local.command_line.cli import main
from local.command_line.tail import LogsError, Wanted, show

if TYPE_CHECKING:
    from pathlib import Path

POWERTOOLS = {"level": "INFO", "location": "lambda_handler:76", "service": "audio"}


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    write(
        tmp_path,
        "WorkerFunction",
        {
            "time": "2026-11-21T09:00:01.000Z",
            "type": "platform.start",
            "record": {"requestId": "r1"},
        },
        {**POWERTOOLS, "timestamp": "2026-11-21 10:00:03,500+0100", "message": "done", "seq": 3},
        {"_aws": {"Timestamp": 1795251604000}, "Chunks": [1.0]},
    )
    write(
        tmp_path,
        "RouteFunction",
        {"timestamp": "2026-11-21T09:00:02.000Z", "level": "ERROR", "message": "failed"},
        {
            "time": "2026-11-21T09:00:05.000Z",
            "type": "platform.report",
            "record": {"requestId": "r2", "metrics": {"durationMs": 3.5}, "status": "timeout"},
        },
    )
    return tmp_path


def write(state: Path, function: str, *entries: dict[str, Any]) -> None:
    folder = state / "logs"
    folder.mkdir(exist_ok=True)
    with (folder / f"{function}.log").open("a") as file:
        for entry in entries:
            file.write(json.dumps(entry) + "\n")


def shown(state: Path, *functions: str, **wanted: Any) -> list[str]:
    found: list[str] = []
    show(state / "logs", functions, Wanted(**wanted), found.append)
    return [line.partition(" ")[2] for line in found]


def test_all_functions_lines_are_shown_in_the_order_of_time(logs: Path) -> None:
    assert shown(logs) == [
        "WorkerFunction START request=r1",
        "RouteFunction ERROR failed",
        "WorkerFunction INFO done seq=3",
        "RouteFunction REPORT request=r2 durationMs=3.5 status=timeout",
    ]


def test_one_functions_lines(logs: Path) -> None:
    assert shown(logs, "RouteFunction")[0] == "RouteFunction ERROR failed"


def test_lines_since_a_time_and_with_a_text(logs: Path) -> None:
    since = datetime(2026, 11, 21, 9, 0, 2, tzinfo=UTC)
    assert len(shown(logs, since=since)) == 3
    assert shown(logs, text="r2") == [
        "RouteFunction REPORT request=r2 durationMs=3.5 status=timeout"
    ]


def test_as_json_lines_are_as_they_are_kept(logs: Path) -> None:
    found: list[str] = []
    show(logs / "logs", (), Wanted(raw=True), found.append)
    assert [json.loads(line) for line in found][3] == {
        "_aws": {"Timestamp": 1795251604000},
        "Chunks": [1.0],
    }


def test_a_function_without_a_log_is_an_error_that_names_those_with_one(logs: Path) -> None:
    with pytest.raises(LogsError, match="No has no log; these have: RouteFunction, WorkerFunction"):
        shown(logs, "No")


def test_no_logs_at_all(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["logs", "--state", str(tmp_path)]) == 1
    assert "make run writes them" in capfd.readouterr().err


def test_following_shows_what_is_written_later_whole_lines_only(logs: Path) -> None:
    command = [sys.executable, "-m", "local", "logs", "--state", str(logs), "--follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        told = [reader.stdout.readline() for _ in range(4)]
        with (logs / "logs" / "NewFunction.log").open("w") as file:
            file.write('{"timestamp": "2026-11-21T09:00:09Z", "message": "be')
            file.flush()
            write(logs, "WorkerFunction", {"timestamp": "2026-11-21T09:00:08Z", "message": "first"})
            told.append(reader.stdout.readline())
            file.write('gun"}\n')
            file.flush()
            told.append(reader.stdout.readline())
        reader.terminate()
    assert [line.split()[-1] for line in told[4:]] == ["first", "begun"]


def test_a_reader_that_has_seen_enough_is_no_failure(logs: Path) -> None:
    line = {"timestamp": "2026-11-21T09:00:05Z", "message": "much" * 10_000}
    write(logs, "LoudFunction", *[line] * 100)
    command = [sys.executable, "-m", "local", "logs", "--state", str(logs)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as said:
        assert said.stdout is not None
        assert said.stderr is not None
        assert said.stdout.readline()
        said.stdout.close()
        assert said.stderr.read() == ""
    assert said.returncode == 0
