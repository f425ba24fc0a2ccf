"""Processes die at the worst moments: nothing is lost, and nothing half-made is ever to be seen."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.audio import chunks, pcm, samples_of
from tests.e2e.stack import Stack, kill, start
from tests.e2e.wire import CLOSE, chunk, connected
from tests.patience import until_async

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AUDIO = pcm(rate=16000, channels=1, seconds=1.0) * 15
CHUNK_BYTES = 24_000  # of one frame, as API Gateway takes it


@contextmanager
def slow_ffmpeg(stack: Stack) -> Iterator[None]:
    """Gives functions an FFmpeg that reads a file in the time that it takes to hear it."""
    link = stack.state / "bin" / "ffmpeg"
    program = link.readlink()
    slow = link.with_name("slow")
    slow.write_text(f'#!/bin/sh\nexec {program} -re "$@"\n')
    slow.chmod(0o755)
    link.unlink()
    slow.rename(link)
    try:
        yield
    finally:
        link.unlink()
        link.symlink_to(program)


async def test_a_worker_killed_in_the_middle_of_a_file_is_followed_by_another(tuned: Stack) -> None:
    async with connected(tuned, sample_rate=16000) as wire:
        for seq, piece in enumerate(chunks(AUDIO, CHUNK_BYTES)):
            assert (await wire.ask(chunk(piece, seq)))["status"] == "active"
        with slow_ffmpeg(tuned):
            await wire.ask(CLOSE)
            [worker] = await until_async(lambda: tuned.at_work("JobsWorkerFunction"))
            kill(worker)

        seen: set[int] = set()

        def made() -> bool:
            listed = tuned.clients.s3.list_objects_v2(
                Bucket=tuned.bucket, Prefix=f"audio_sessions/{wire.session_id}"
            )
            seen.update(entry["Size"] for entry in listed.get("Contents", ()))
            return bool(tuned.session(wire.session_id)["processing_status"] != "pending")

        await until_async(made)
        assert (await wire.receive())["message"] == "Audio file ready"

    attempts = [line for line in tuned.log("JobsWorkerFunction") if line.get("record")]
    assert attempts
    info = tuned.session(wire.session_id)
    assert info["processing_status"] == "complete"
    whole = tuned.download(info["download_url"])
    assert samples_of(whole) == AUDIO
    assert seen <= {len(whole)}


async def test_a_function_killed_between_two_chunks_costs_nothing(tuned: Stack) -> None:
    pieces = chunks(AUDIO, CHUNK_BYTES)[:3]
    async with connected(tuned, sample_rate=16000) as wire:
        for seq, piece in enumerate(pieces):
            kill(*tuned.processes("StreamMessageFunction"))
            while (await wire.ask(chunk(piece, seq))).get("status") != "active":
                pass
        await wire.ask(CLOSE)
    info = tuned.finished(wire.session_id)
    assert samples_of(tuned.download(info["download_url"])) == b"".join(pieces)


def test_a_taken_port_is_one_clear_line(stack: Stack, tmp_path: Path) -> None:
    port = stack.url.rpartition(":")[2]
    second = start(tmp_path, "--port", port)
    assert second.wait() == 2
    said = (tmp_path / "console.log").read_text().splitlines()
    assert said[-1].startswith(f"Port {port} is taken; choose another with PORT=")
    assert len(said) <= 2
