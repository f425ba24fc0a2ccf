"""The library through the running stack: what it says it has can be played, whatever is killed."""

from __future__ import annotations

import base64
import hashlib
import io
import random
import wave
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import psycopg2
import pytest

from local.stack.seed import ORGANIZATION
from tests import audio
from tests.e2e.stack import kill
from tests.forms import multipart
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from tests.e2e.stack import Answer, Stack
    from tests.soak import Soak

DIRECT_EVERY = 5
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


def ask(stack: Stack, method: str, path: str, body: object = None) -> Answer:
    return stack.request(method, f"/audio-management{path}", body)


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
    return stack.post_form("/audio-management/upload", form)


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
        pass
    return answer


def played(stack: Stack, audio_id: str) -> bytes:
    address = f"{stack.url}/audio-management/audio/{audio_id}/stream"
    return stack.download(address, key=True)


def made(stack: Stack, audio_id: str) -> Any:
    """What is told of an audio once its file is made."""

    def told() -> Any:
        body = ask(stack, "GET", f"/audio/{audio_id}/metadata").body
        assert body.get("processingStatus") != "failed", body
        return "processingStatus" not in body and body

    return until(told)


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


def folders(stack: Stack) -> dict[str, list[str]]:
    """The names of each audio's objects."""
    found = defaultdict(list)
    pages = stack.clients.s3.get_paginator("list_objects_v2")
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


def kill_now_and_then(
    stack: Stack, going: list[Future[Answer]], kills: int, draw: random.Random
) -> int:
    """Kills a process, whatever it does, whenever some more uploads are over; how many it were."""
    killed = 0

    def over() -> bool:
        nonlocal killed
        done = sum(future.done() for future in going)
        if killed < kills and done * kills >= killed * len(going):
            names = ("LibraryUploadFunction", "JobsWorkerFunction")
            if victims := [process for name in names for process in stack.processes(name)]:
                kill(draw.choice(victims))
                killed += 1
        return done == len(going)

    until(over)
    return killed


def test_an_upload_is_found_played_and_deleted(stack: Stack) -> None:
    name, data, _ = sound(1)
    form = multipart(("title", None, b"Grand Opening"), ("file", name, data))
    answer = stack.post_form("/audio-management/upload", form)
    assert answer.status == 201, answer.body
    audio_id = answer.body["id"]
    found = ask(stack, "GET", "/audios?search=opening").body
    assert [item["id"] for item in found["data"]] == [audio_id]
    assert hashlib.sha256(played(stack, audio_id)).hexdigest() == answer.body["file"]["checksum"]
    assert folders(stack)[audio_id] == WHOLE
    assert ask(stack, "DELETE", f"/audio/{audio_id}").status == 200
    assert audio_id not in folders(stack)
    assert ask(stack, "GET", f"/audio/{audio_id}/metadata").status == 404


@pytest.mark.soak
def test_of_many_uploads_at_once_each_is_playable_or_left_nothing(tuned: Stack, soak: Soak) -> None:
    """Of one that was killed between its row and its answer, a playable audio may be left."""
    uploads = soak.count("uploads", few=7, many=50)
    kills = soak.count("kills", few=2, many=12)
    for number in range(uploads):
        sound(number)  # made before, so that uploads really come at once
    checked: set[str] = set()
    for seed in soak.seeds(few=1):
        with ThreadPoolExecutor(uploads) as pool:
            ways = (upload_directly if n % DIRECT_EVERY == 0 else upload for n in range(uploads))
            going = [pool.submit(way, tuned, number) for number, way in enumerate(ways)]
            killed = kill_now_and_then(tuned, going, kills, random.Random(seed))
        assert killed > 0

        answers = [future.result() for future in going]
        taken = [answer.body["id"] for answer in answers if answer.status in (200, 201)]
        assert taken
        failed = Counter(answer.status for answer in answers if answer.status not in (200, 201))
        assert failed.keys() <= {500, 502, 503, 504}, seed
        assert failed[500] + failed[502] <= killed, seed  # the others took too long for a gateway
        for audio_id in taken:
            check_playable(tuned, audio_id)

        checked |= set(taken)
        until(partial(nothing_is_half_there, tuned))
        kept = rows(tuned)
        assert checked <= kept.keys(), seed
        for audio_id in kept.keys() - checked:
            check_playable(tuned, audio_id)
        checked = set(kept)


def nothing_is_half_there(stack: Stack) -> bool:
    there = folders(stack)
    return there.keys() == rows(stack).keys() and all(v == WHOLE for v in there.values())
