"""A recording is processed and plays back as memories, whatever is killed or away meanwhile."""

from __future__ import annotations

import random
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg2
import pytest
import webvtt

from local.stack.seed import ORGANIZATION, USER
from tests.audio import chunks, pcm, samples_of, wav
from tests.e2e.live import breath, quiet
from tests.e2e.stack import is_called, kill
from tests.e2e.wire import CLOSE, chunk, connected
from tests.patience import until

if TYPE_CHECKING:
    from tests.e2e.stack import Answer, Stack
    from tests.soak import Soak

SPEECH = Path("local/samples/speech.wav").read_bytes()
LONG = wav(samples_of(SPEECH) + quiet(50) + samples_of(SPEECH), rate=16000, channels=1)
SHORT = wav(breath(1.6), rate=16000, channels=1)


def process(stack: Stack, file_id: str, data: bytes) -> str:
    """The id of a task for a recording that was just put there."""
    key = f"recordings/{ORGANIZATION}/{USER}/{file_id}.wav"
    stack.clients.s3.put_object(Bucket=stack.bucket, Key=key, Body=data)
    query = f"file_id={file_id}&file_extension=wav"
    answer = stack.request("POST", f"/process_audio_v2/{USER}?{query}")
    assert answer.status == 200, answer.body
    task_id: str = answer.body["task_id"]
    return task_id


def finished(stack: Stack, task_id: str) -> Any:
    def task() -> Any:
        answer = stack.get(f"/get_audio_task/{task_id}")
        open_still = answer.body.get("status") in ("PENDING", "STARTED")
        return None if answer.status == 404 or open_still else answer.body

    return until(task)


def memory(stack: Stack, memory_id: str) -> Answer:
    return stack.request("POST", "/memories/audio", {"memory_id": memory_id})


def left_behind(stack: Stack, task: Any) -> tuple[dict[str, bytes], list[str]]:
    """A task's objects and rows, without names that are new for each task."""
    memory_id = task["result"]["memory_id"]
    names = {task["task_id"]: "TASK", memory_id: "MEMORY", task["file_id"]: "FILE"}
    found = re.compile("|".join(map(re.escape, names)))

    def plain(value: object) -> str:
        return found.sub(lambda match: names[match.group()], str(value))

    s3, objects = stack.clients.s3, {}
    for prefix in (f"processing/{task['task_id']}/", f"sessions/{memory_id}/"):
        for entry in s3.list_objects_v2(Bucket=stack.bucket, Prefix=prefix)["Contents"]:
            body = s3.get_object(Bucket=stack.bucket, Key=entry["Key"])["Body"].read()
            objects[plain(entry["Key"])] = body
    columns = "source_window_index, duration_seconds, processing_status, transcript"
    query = (
        f"SELECT {columns}, end_time - start_time FROM world_mm_segments"  # noqa: S608 — ours
        " WHERE source_session_id = %s ORDER BY source_window_index"
    )
    connection = psycopg2.connect(stack.database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(query, (memory_id,))
        rows = [plain(row) for row in cursor.fetchall()]
    connection.close()
    return objects, rows


def facts(task: Any) -> Any:
    """A task's result without what is new for each task."""
    return {n: v for n, v in task["result"].items() if n not in ("urls", "memory_id")}


def test_a_recording_is_processed_and_plays_back_as_memories(stack: Stack) -> None:
    """With speech in its first window and in its last one."""
    task = finished(stack, process(stack, "talk", LONG))
    result = task["result"]
    assert (task["status"], result["windows"]) == ("SUCCESS", 3)

    played = memory(stack, result["memory_id"]).body["data"]
    assert (played["processing_status"], played["duration_seconds"]) == ("complete", 30)
    first = samples_of(stack.download(played["presigned_url"]))
    assert first == samples_of(LONG)[: 30 * 2 * 16000]
    assert samples_of(stack.download(result["urls"]["audio"])) == samples_of(LONG)

    subtitles = webvtt.from_string(stack.download(result["urls"]["vtt"]).decode())
    assert (
        " ".join(caption.text for caption in subtitles.captions).split() == result["text"].split()
    )
    assert "leisure" in result["text"]
    feed = stack.get("/memories").body["data"]["memories"]
    [mine] = [entry for entry in feed if entry["memory_id"] == result["memory_id"]]
    assert "leisure" in mine["transcript"]


async def test_what_was_streamed_plays_back_as_memories(stack: Stack) -> None:
    samples = pcm(rate=16000, channels=1, seconds=1.0)
    async with connected(stack, sample_rate=16000, api_key=stack.api_key) as wire:
        for seq, piece in enumerate(chunks(samples, 16_000)):
            await wire.ask(chunk(piece, seq))
        await wire.ask(CLOSE)
    task = finished(stack, wire.session_id)
    assert task["result"]["memory_id"] == wire.session_id
    played = memory(stack, wire.session_id).body["data"]
    assert samples_of(stack.download(played["presigned_url"])) == samples


@pytest.mark.soak
def test_workers_that_are_killed_at_random_moments_leave_what_undisturbed_ones_do(
    tuned: Stack, soak: Soak
) -> None:
    undisturbed = finished(tuned, process(tuned, "undisturbed", SHORT))
    expected = left_behind(tuned, undisturbed)
    steps = sum(key.startswith("processing") for key in expected[0])
    kills = soak.count("kills", few=3, many=20)
    for seed in soak.seeds(few=1):
        draw = random.Random(seed)
        done: list[Any] = []
        while sum(task["attempts"] for task in done) == len(done):  # nobody was killed at work yet
            tasks: list[str] = []
            for step in (0, *(draw.randrange(steps) for _ in range(kills - 1))):
                name = f"killed-{seed}-{len(done) + len(tasks)}"
                tasks.append(process(tuned, name, SHORT))
                await_step(tuned, tasks[-1], step)
                kill(*tuned.processes("JobsWorkerFunction"))
            done += [finished(tuned, task_id) for task_id in tasks]
        for task in done:
            assert facts(task) == facts(undisturbed), seed
            assert left_behind(tuned, task) == expected, seed


def await_step(stack: Stack, task_id: str, step: int) -> None:
    """Until the task has so many results, or has begun if it shall have none."""

    def there() -> bool:
        listed = stack.clients.s3.list_objects_v2(
            Bucket=stack.bucket, Prefix=f"processing/{task_id}/"
        )
        begun = stack.get(f"/get_audio_task/{task_id}").body["status"] != "PENDING"
        return begun and len(listed.get("Contents", ())) >= step

    until(there)


def test_a_database_that_is_away_costs_nothing(tuned: Stack) -> None:
    """For so long that it is missed: it doesn't refuse connections, it answers nobody."""
    before = finished(tuned, process(tuned, "before", SHORT))
    below = psutil.Process(tuned.pid).children(recursive=True)
    servers = [process_ for process_ in below if is_called(process_, "postgres")]
    assert servers
    answers: list[Answer] = []
    try:
        for server in servers:
            server.send_signal(signal.SIGSTOP)
        task_id = process(tuned, "meanwhile", SHORT)
        while not answers or answers[-1].status == 200:
            answers.append(memory(tuned, before["result"]["memory_id"]))
    finally:
        for server in servers:
            server.send_signal(signal.SIGCONT)
    for answer in answers:
        assert answer.status in (200, 503), answer
        assert answer.status == 200 or int(answer.headers["retry-after"]) > 0
    task = finished(tuned, task_id)
    assert facts(task) == facts(before)
    assert left_behind(tuned, task) == left_behind(tuned, before)
    assert memory(tuned, task["result"]["memory_id"]).status == 200
