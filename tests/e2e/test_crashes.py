"""Processes die at the worst moments: nothing is lost, and nothing half-made is ever to be seen."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.audio import chunks, pcm, samples_of
from tests.e2e.stack import Stack, pause, running, start, wait_for
from tests.e2e.wire import CLOSE, chunk, connected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

AUDIO = pcm(rate=16000, channels=1, seconds=1.0) * 300


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose lost jobs come back after seconds."""
    with running(
        tmp_path_factory.mktemp("crashes"),
        JobTimeoutSeconds=5,
        WorkerMissedSeconds=5,
        CloseSettleSeconds=0,
    ) as up:
        yield up


def half_done(stack: Stack) -> list[psutil.Process]:
    """The worker's processes, when one of them has FFmpeg at work."""
    return [process for process in stack.processes("JobsWorkerFunction") if process.children()]


async def test_a_worker_killed_in_the_middle_of_a_file_is_followed_by_another(
    stack: Stack, s3: S3Client
) -> None:
    async with connected(stack, sample_rate=16000, api_key=stack.api_key) as wire:
        pieces = chunks(AUDIO, 64_000)
        for seq, piece in enumerate(pieces):
            await wire.send(chunk(piece, seq))
        for _ in pieces:
            assert (await wire.receive())["status"] == "active"
        await wire.ask(CLOSE)

        [worker, *_] = wait_for(lambda: half_done(stack), seconds=30)
        os.kill(worker.pid, signal.SIGKILL)
        seen: set[int] = set()
        while (info := stack.session(wire.session_id))["processing_status"] == "pending":
            listed = s3.list_objects_v2(Bucket=stack.bucket, Prefix="audio_sessions/")
            seen.update(entry["Size"] for entry in listed.get("Contents", ()))
            pause()
        assert (await wire.receive())["message"] == "Audio file ready"

    attempts = [line for line in stack.log("JobsWorkerFunction") if line.get("record")]
    assert attempts
    assert info["processing_status"] == "complete"
    whole = stack.download(info["download_url"])
    assert samples_of(whole) == AUDIO
    assert seen <= {len(whole)}


async def test_a_function_killed_between_two_chunks_costs_nothing(stack: Stack) -> None:
    pieces = chunks(AUDIO[:640_000], 64_000)
    async with connected(stack, sample_rate=16000) as wire:
        for seq, piece in enumerate(pieces):
            for process in stack.processes("StreamMessageFunction"):
                os.kill(process.pid, signal.SIGKILL)
                psutil.wait_procs([process], timeout=5)
            while (await wire.ask(chunk(piece, seq))).get("status") != "active":
                pause()
        await wire.ask(CLOSE)
    info = stack.finished(wire.session_id)
    assert samples_of(stack.download(info["download_url"])) == AUDIO[:640_000]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_stack_that_ends(tmp_path: Path, ending: signal.Signals) -> None:
    runner = start(tmp_path)
    wait_for((tmp_path / "stack.json").exists, seconds=60)
    started = [psutil.Process(runner.pid), *psutil.Process(runner.pid).children(recursive=True)]
    assert len(started) > 3
    os.kill(runner.pid, ending)
    runner.wait(20)
    gone, left = psutil.wait_procs(started[1:], timeout=20)
    assert not left
    assert gone
    assert not (tmp_path / "stack.json").exists()


def test_a_taken_port_is_one_clear_line(stack: Stack, tmp_path: Path) -> None:
    port = stack.url.rpartition(":")[2]
    second = start(tmp_path, "--port", port)
    assert second.wait(60) == 2
    said = (tmp_path / "console.log").read_text().splitlines()
    assert said[-1].startswith(f"Port {port} is taken; choose another with PORT=")
    assert len(said) <= 2
