"""A jobs worker that does one thing after the other as it is told, and says how long it took.

`python -m tests.bench.worker [FOLDER]` has the functions' environment, and keeps its objects in the
folder if one is named. Orders come and results go as lines of JSON.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from audioapi import objects
from audioapi.clock import now_ms
from audioapi.identity import Principal
from audioapi.processing import service as processing
from audioapi.processing import store as tasks
from audioapi.streaming import chunks, store
from audioapi.streaming.models import Session
from tests.audio import samples_of
from tests.bench import functions
from tests.bench.directory import DirectoryS3
from tests.bench.timing import cost, peak_mb, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from audioapi.processing.models import Task

CALLER = Principal("bench", "bench")
_CHUNK_BYTES = 24_000
_WRITERS = 8


def main() -> None:
    if folder := sys.argv[1:]:
        in_folder = DirectoryS3(Path(folder[0]))
        objects.client = cast("Any", lambda: in_folder)
    jobs = functions.load("jobs_worker").work
    orders: dict[str, Callable[..., dict[str, Any]]] = {
        "fill": fill,
        "finish": finish,
        "process": process,
        "transcribe": transcribe,
        "recognise": recognise,
    }
    for line in sys.stdin:
        order = json.loads(line)
        result = orders[order.pop("do")](jobs, **order)
        print(json.dumps(result), flush=True)  # noqa: T201


def fill(jobs: Any, session_id: str, pcm: str, sample_rate: int) -> dict[str, Any]:
    """What a session of the samples in a file leaves before its close: chunks, its item, and what
    the fold jobs made of them. Returns the item.
    """
    with ThreadPoolExecutor(_WRITERS) as writers:
        sizes = list(writers.map(lambda piece: _put(session_id, *piece), _pieces(Path(pcm))))
    session = Session(
        session_id=session_id,
        sample_rate=sample_rate,
        channels=1,
        format="wav",
        start_time=now_ms(),
        last_activity=now_ms(),
        expires_at=now_ms() + 24 * 3_600_000,
        total_chunks=len(sizes),
        bytes_received=sum(sizes),
        numbered=True,
        anonymous=True,
    )
    store.add_session(session, "bench")
    jobs("fold_chunks")(session_id)
    return _kept(session_id).model_dump(mode="json")


def finish(jobs: Any, session: dict[str, Any]) -> dict[str, Any]:
    """Closes the session anew, and does the job that makes its file, whose cost alone is told."""
    closing = Session.model_validate(session)
    store.add_session(closing, "bench")
    store.close(
        closing.session_id,
        closing_at=now_ms(),
        expected_chunks=closing.total_chunks,
    )
    taken = cost(lambda: jobs("assemble_session")(closing.session_id))
    finished = _kept(closing.session_id)
    return {
        **taken._asdict(),
        "status": finished.status,
        "error": finished.error,
        "duration_seconds": finished.duration_seconds,
        "peak_mb": peak_mb(),
    }


def process(jobs: Any, file_name: str) -> dict[str, Any]:
    """Does the job of a new task for CALLER's recording of that name, whose cost alone is told."""
    task_id = processing.start(
        CALLER,
        CALLER.user_id,
        file_id=None,
        extension="mp3",
        file_name=file_name,
        now=now_ms(),
    ).task_id
    taken = cost(lambda: jobs("process_recording")(task_id))
    return {**taken._asdict(), "peak_mb": peak_mb(), **_told(task_id)}


def transcribe(jobs: Any, task_id: str) -> dict[str, Any]:
    """Does the jobs that a processed recording has left to do, which alone are timed."""
    parts = range(len(_task(task_id).facts.parts))  # type: ignore[union-attr]  # it is processed
    seconds = timed(lambda: [jobs("transcribe_part")(task_id, part) for part in parts])
    return {"seconds": seconds, **_told(task_id)}


def recognise(_: Any, wav: str) -> dict[str, Any]:
    """A pass of PocketSphinx's, whose model is loaded, over the samples of a file."""
    from tests.bench import listening  # noqa: PLC0415 - the memory of other orders is measured

    pcm, decoder = samples_of(Path(wav).read_bytes()), listening.decoder()
    return {"seconds": timed(lambda: listening.recognise(decoder, pcm))}


def _told(task_id: str) -> dict[str, Any]:
    task = _task(task_id)
    return {
        "task_id": task_id,
        "status": task.status,
        "error": task.error,
        "duration_seconds": task.facts and task.facts.duration_seconds,
        "words": task.transcription and task.transcription.words,
    }


def _task(task_id: str) -> Task:
    found = tasks.task(task_id)
    assert found
    return found


def _put(session_id: str, seq: int, data: bytes) -> int:
    chunks.put(session_id, data, seq=seq, order="")
    return len(data)


def _pieces(pcm: Path) -> Iterator[tuple[int, bytes]]:
    with pcm.open("rb") as file:
        seq = 0
        while data := file.read(_CHUNK_BYTES):
            yield seq, data
            seq += 1


def _kept(session_id: str) -> Session:
    found = store.session(session_id)
    assert found
    return found


if __name__ == "__main__":
    main()
