"""Uploads into the library, called as the gateway calls them, and the worker as its queue does."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from audioapi import database, objects
from audioapi.library import intake, uploaded
from audioapi.library.models import LibraryAudio
from audioapi.uploads import store
from tests.forms import CONTENT_TYPE, multipart
from tests.integration.audioapi.library_calls import TYPES, Answer, bucket, call
from tests.integration.audioapi.sessions import received

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

WORK: dict[str, Callable[..., None]] = {
    "tidy_library": intake.tidy,
    "normalise_audio": uploaded.normalise_audio,
}


def send(body: bytes, *, key: str | None = "Acme", **headers: str) -> Answer:
    """What an upload of that form is answered; a 201 is of the published types."""
    content_type = headers.pop("content_type", CONTENT_TYPE)
    answer = call(
        "library_upload",
        key=key,
        body=base64.b64encode(body).decode(),
        content_type=content_type,
        **headers,
    )
    if answer.status < 400:
        assert answer.status == 201
        TYPES.check(answer.body, "AudioResponse")
    return answer


def upload(data: bytes, name: str = "welcome.wav", key: str = "Acme", **fields: str) -> Answer:
    """Uploads a file with these fields."""
    given = [(field, None, value.encode()) for field, value in fields.items()]
    return send(multipart(*given, ("file", name, data)), key=key)


def direct(function: str, upload_id: str = "", *, key: str = "Acme", body: Any = None) -> Answer:
    """Calls a function of direct uploads: create, parts, get, complete or abort."""
    tail = {"create": "", "parts": f"/{upload_id}/parts", "complete": f"/{upload_id}/complete"}
    path = "/audio-management/uploads" + tail.get(function, f"/{upload_id}")
    return call(f"library_uploads_{function}", key=key, body=body, path=path)


def begin(size: int, **members: Any) -> Any:
    body = {"fileName": "on hold.m4a", "fileSize": size, **members}
    answer = direct("create", body=body)
    assert answer.status == 201, answer.body
    return answer.body


def send_part(upload_id: str, number: int, data: bytes) -> None:
    """Sends a part as a presigned address would take it."""
    found = store.get(upload_id)
    assert found is not None
    objects.client().upload_part(
        Bucket=bucket(),
        Key=found.file.key,
        UploadId=found.s3_upload_id,
        PartNumber=number,
        Body=data,
    )


def do_jobs(*, times: int = 1) -> int:
    """What the worker does with the jobs that wait, each of which comes so many times."""
    jobs = received("JobsQueue")
    for job in jobs:
        for _ in range(times):
            do(job)
    return len(jobs)


def do(job: dict[str, Any]) -> None:
    WORK[job["type"]](**{name: value for name, value in job.items() if name != "type"})


def rows(own: UUID) -> list[LibraryAudio]:
    def read(session: Any) -> list[LibraryAudio]:
        return list(session.query(LibraryAudio).filter_by(organization_id=own))

    return database.transaction(read)


def read(own: UUID, audio_id: object, name: str) -> bytes:
    return objects.read(bucket(), f"library/{own}/{audio_id}/{name}")
