"""Whatever a function prints becomes JSON lines, in its file and on the console."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from local.runtime.logs import LINE_LIMIT, Logs

if TYPE_CHECKING:
    from pathlib import Path


def kept(state: Path, function: str = "Worker") -> list[str]:
    return (state / f"logs/{function}.log").read_text(encoding="utf-8").splitlines()


async def printed(state: Path, *pieces: bytes) -> list[str]:
    """The log of a process whose output came in `pieces`."""
    output = asyncio.StreamReader()
    with Logs(state, console=None) as logs:
        following = asyncio.create_task(logs.follow("Worker", output))
        for piece in pieces:
            output.feed_data(piece)
            await asyncio.sleep(0)
        output.feed_eof()
        await following
    return kept(state)


def message(line: str) -> str:
    entry = json.loads(line)
    assert entry.pop("timestamp").endswith("Z")
    text: str = entry.pop("message")
    assert entry == {"level": "INFO", "function": "Worker"}
    return text


async def test_each_plain_line_becomes_a_message(tmp_path: Path) -> None:
    lines = await printed(tmp_path, b"Traceback:\n  File x\n\nVal", b"ueError: sch\xc3\xb6n\nend")

    assert [message(line) for line in lines] == [
        "Traceback:",
        "  File x",
        "ValueError: schön",
        "end",
    ]


async def test_output_that_is_no_utf8_is_kept_readable(tmp_path: Path) -> None:
    (line,) = await printed(tmp_path, b"caf\xe9\r\n")

    assert message(line) == "caf\ufffd"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"level": "INFO", "n": 1.0}', '{"function": "Worker", "level": "INFO", "n": 1.0}'),
        ('{"function": "Other"}', '{"function": "Other"}'),
        ('{"text": "\\ud800"}', '{"function": "Worker", "text": "\\ud800"}'),
        ("{}", '{"function": "Worker"}'),
    ],
)
async def test_a_json_line_passes_with_the_functions_name(
    tmp_path: Path, line: str, expected: str
) -> None:
    assert await printed(tmp_path, line.encode() + b"\n") == [expected]


@pytest.mark.parametrize("line", ["[1]", "12", '{"half":', "[" * 100_000])
async def test_json_that_is_no_object_is_a_message(tmp_path: Path, line: str) -> None:
    (logged,) = await printed(tmp_path, line.encode() + b"\n")

    assert message(logged) == line


async def test_a_line_too_long_is_cut_and_the_next_is_whole(tmp_path: Path) -> None:
    quarter = b"x" * (LINE_LIMIT // 4)
    long, after = await printed(tmp_path, *[quarter] * 9, b"rest\nafter\n")

    text = message(long)
    assert text.startswith("x" * LINE_LIMIT)
    assert text.endswith(f"[cut after {LINE_LIMIT} bytes]")
    assert message(after) == "after"


async def test_a_line_of_exactly_the_limit_is_whole(tmp_path: Path) -> None:
    (line,) = await printed(tmp_path, b"x" * LINE_LIMIT + b"\n")

    assert message(line) == "x" * LINE_LIMIT


def test_each_function_has_a_file_that_goes_on_where_it_ended(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with Logs(tmp_path, console=None) as logs:
            logs.line("Worker", text)
            logs.line("Other", text)
            assert message(kept(tmp_path)[-1]) == text  # there at once, for `tail -f`

    assert [message(line) for line in kept(tmp_path)] == ["first", "second"]
    assert len(kept(tmp_path, "Other")) == 2


def test_the_console_shows_output_and_what_went_wrong(tmp_path: Path) -> None:
    console = io.StringIO()
    with Logs(tmp_path, console) as logs:
        logs.platform("Worker", "start", {"requestId": "1"})
        logs.line("Worker", "hello")
        logs.platform("Worker", "report", {"requestId": "1", "status": "success"})
        logs.platform("Worker", "report", {"requestId": "2", "status": "timeout"})

    shown: list[dict[str, Any]] = [json.loads(line) for line in console.getvalue().splitlines()]
    assert [entry.get("message") or entry["record"]["status"] for entry in shown] == [
        "hello",
        "timeout",
    ]
    assert [json.loads(line).get("type") for line in kept(tmp_path)] == [
        "platform.start",
        None,
        "platform.report",
        "platform.report",
    ]
