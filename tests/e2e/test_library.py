"""The library through the running stack: what it says it has can be played, whatever is killed."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import random
import secrets
import wave
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import psutil
import psycopg2
import pytest

from local.stack.seed import ORGANIZATION
from tests import audio
from tests.e2e.stack import Answer, Stack, fetch, pause, running, wait_for
from tests.forms import CONTENT_TYPE, multipart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from mypy_boto3_s3 import S3Client

UPLOADS = 50
DIRECT_EVERY = 5
KILLS = 12
SETTLED_SECONDS = 240
WHOLE = ["original", "processed.wav", "waveform.json"]
FORMATS = {
    "wav": ("wav",),
    "mp3": ("mp3",),
    "ogg": ("ogg", "-c:a", "libvorbis"),
    "flac": ("flac",),
    "aac": ("adts", "-c:a", "aac"),
    "m4a": ("ipod", "-c:a", "aac"),
    "webm": ("webm", "-c:a", "libopus"),
}

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that misses a killed worker after seconds, and tries a job as often as it takes."""
    with running(
        tmp_path_factory.mktemp("library"),
        JobTimeoutSeconds=15,
        JobVisibilityTimeoutSeconds=15,  # some die before they could hold their job
        WorkerMissedSeconds=5,
        JobAttempts=1000,
    ) as up:
        yield up


def ask(stack: Stack, method: str, path: str, body: object = None, **headers: str) -> Answer:
    given = {"x-api-key": stack.api_key, "content-type": "application/json", **headers}
    data = body if isinstance(body, bytes) else json.dumps(body).encode() if body else None
    address = f"{stack.url}/audio-management{path}"
    return fetch(Request(address, data=data, method=method, headers=given))  # noqa: S310 — http


def sound(number: int) -> tuple[str, bytes, float]:
    """A file's name, its bytes and its seconds: another format and length each time."""
    kind = [*FORMATS][number % len(FORMATS)]
    seconds = 1 + number % 3
    container, *options = FORMATS[kind]
    data = audio.encoded(container, *options, rate=44100, channels=2, seconds=seconds)
    return f"upload-{number}.{kind}", data, seconds


def upload(stack: Stack, number: int) -> Answer:
    name, data, _ = sound(number)
    form = multipart(("tags", None, b"crowd"), ("file", name, data))
    return ask(stack, "POST", "/upload", form, **{"content-type": CONTENT_TYPE})


def upload_directly(stack: Stack, number: int) -> Answer:
    """As a client that asks again whenever a function died."""
    name, data, _ = sound(number)
    file = {"fileName": name, "fileSize": len(data), "tags": ["crowd"]}
    upload_id = persistently(partial(ask, stack, "POST", "/uploads", file)).body["uploadId"]
    checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
    parts = {"parts": [{"partNumber": 1, "checksumSha256": checksum}]}
    signed = persistently(partial(ask, stack, "POST", f"/uploads/{upload_id}/parts", parts))
    [part] = signed.body["parts"]
    headers = {**part["headers"], "content-type": "application/octet-stream"}
    put = Request(part["url"], data=data, method="PUT", headers=headers)  # noqa: S310 — http
    with urlopen(put) as sent:  # noqa: S310 — http
        assert sent.status == 200
    return persistently(partial(ask, stack, "POST", f"/uploads/{upload_id}/complete"))


def persistently(request: Callable[[], Answer]) -> Answer:
    while (answer := request()).status >= 500:
        pause()
    return answer


def played(stack: Stack, audio_id: str) -> bytes:
    address = f"{stack.url}/audio-management/audio/{audio_id}/stream"
    with urlopen(Request(address, headers={"x-api-key": stack.api_key})) as response:  # noqa: S310 — http
        return bytes(response.read())


def made(stack: Stack, audio_id: str) -> Any:
    """What is told of an audio once its file is made."""

    def told() -> Any:
        body = ask(stack, "GET", f"/audio/{audio_id}/metadata").body
        assert body.get("processingStatus") != "failed", body
        return "processingStatus" not in body and body

    return wait_for(told, seconds=SETTLED_SECONDS)


def check_playable(stack: Stack, audio_id: str) -> None:
    told = made(stack, audio_id)
    file = played(stack, audio_id)
    assert hashlib.sha256(file).hexdigest() == told["file"]["checksum"]
    assert len(file) == told["file"]["fileSize"]
    with wave.open(io.BytesIO(file)) as opened:
        assert (opened.getframerate(), opened.getnchannels()) == (8000, 1)
        assert opened.getnframes() / 8000 == told["durationSeconds"]
    number = int(told["title"].removeprefix("upload-"))
    assert told["durationSeconds"] == pytest.approx(sound(number)[2], abs=0.1)


def folders(stack: Stack, s3: S3Client) -> dict[str, list[str]]:
    """The names of each audio's objects."""
    found = defaultdict(list)
    pages = s3.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=stack.bucket, Prefix=f"library/{ORGANIZATION}/"):
        for entry in page.get("Contents", ()):
            *_, audio_id, name = entry["Key"].split("/")
            found[audio_id].append(name)
    return dict(found)


def rows(stack: Stack) -> dict[str, str]:
    """Each audio's title, of those whose file is made."""
    query = "SELECT id::text, title FROM library_audios WHERE processing_status = 'complete'"
    connection = psycopg2.connect(stack.database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        found = dict(cursor.fetchall())
    connection.close()
    return found


def kill_now_and_then(stack: Stack, going: list[Future[Answer]], draw: random.Random) -> int:
    """Kills a process, whatever it does, whenever some more uploads are over; how many it were."""
    killed = 0
    while not all(future.done() for future in going):
        over = sum(future.done() for future in going)
        names = ("LibraryUploadFunction", "JobsWorkerFunction")
        if killed < KILLS and over >= killed * 4:
            victims = [process for name in names for process in stack.processes(name)]
            if victims:
                kill(draw.choice(victims))
                killed += 1
        pause()
    return killed


def kill(victim: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        victim.kill()
        psutil.wait_procs([victim], timeout=5)


def test_an_upload_is_found_played_and_deleted(stack: Stack, s3: S3Client) -> None:
    name, data, _ = sound(1)
    form = multipart(("title", None, b"Grand Opening"), ("file", name, data))
    answer = ask(stack, "POST", "/upload", form, **{"content-type": CONTENT_TYPE})
    assert answer.status == 201, answer.body
    audio_id = answer.body["id"]
    found = ask(stack, "GET", "/audios?search=opening").body
    assert [item["id"] for item in found["data"]] == [audio_id]
    assert hashlib.sha256(played(stack, audio_id)).hexdigest() == answer.body["file"]["checksum"]
    assert folders(stack, s3)[audio_id] == WHOLE
    assert ask(stack, "DELETE", f"/audio/{audio_id}").status == 200
    assert audio_id not in folders(stack, s3)
    assert ask(stack, "GET", f"/audio/{audio_id}/metadata").status == 404


def test_of_fifty_uploads_at_once_each_is_playable_or_left_nothing(
    stack: Stack, s3: S3Client
) -> None:
    """Of one that was killed between its row and its answer, a playable audio may be left."""
    seed = secrets.randbits(32)
    for number in range(UPLOADS):
        sound(number)  # made before, so that uploads really come at once
    with ThreadPoolExecutor(UPLOADS) as pool:
        ways = (upload_directly if n % DIRECT_EVERY == 0 else upload for n in range(UPLOADS))
        going = [pool.submit(way, stack, number) for number, way in enumerate(ways)]
        killed = kill_now_and_then(stack, going, random.Random(seed))
    assert killed > 0

    answers = [future.result() for future in going]
    taken = [answer.body["id"] for answer in answers if answer.status in (200, 201)]
    assert {answer.status for answer in answers} <= {200, 201, 500, 502, 503, 504}, seed
    assert len(taken) >= UPLOADS - killed - 10, seed
    for audio_id in taken:
        check_playable(stack, audio_id)

    def nothing_is_half_there() -> bool:
        there = folders(stack, s3)
        return there.keys() == rows(stack).keys() and all(v == WHOLE for v in there.values())

    wait_for(nothing_is_half_there, seconds=SETTLED_SECONDS)
    kept = rows(stack)
    assert set(taken) <= kept.keys(), seed
    for audio_id in kept.keys() - set(taken):
        check_playable(stack, audio_id)
