"""The functions of recordings' uploads, called as the gateway calls them, and S3 as callers do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audioapi import objects, settings
from audioapi.uploads import store
from tests.integration.audioapi.functions import app
from tests.unit.audioapi.context import Context

if TYPE_CHECKING:
    from audioapi.uploads.models import Upload

KEY = "dev-key"


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any


def call(
    function: str,
    upload_id: str = "",
    *,
    body: object = None,
    key: str | None = KEY,
    **headers: str,
) -> Answer:
    """What a function answers to its sample event with another upload, body, key or headers."""
    event = json.loads(Path("events", f"{function}.json").read_text())
    event["headers"] = {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        event["headers"]["x-api-key"] = key
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    if "pathParameters" in event:
        sample = event["pathParameters"]["upload_id"]
        event = json.loads(json.dumps(event).replace(sample, upload_id))
    response = app(function).lambda_handler(event, Context())
    return Answer(response["statusCode"], json.loads(response["body"]))


def begin(size: int, **members: object) -> Any:
    answer = call("upload_create", body={"file_name": "talk.wav", "file_size": size, **members})
    assert answer.status == 201, answer.body
    return answer.body


def kept(upload_id: str) -> Upload:
    found = store.get(upload_id)
    assert found is not None
    return found


def send(upload_id: str, number: int, data: bytes) -> None:
    """Sends a part as a presigned address would take it."""
    upload = kept(upload_id)
    objects.client().upload_part(
        Bucket=bucket(),
        Key=upload.file.key,
        UploadId=upload.s3_upload_id,
        PartNumber=number,
        Body=data,
    )


def send_all(upload_id: str, data: bytes) -> None:
    upload = kept(upload_id)
    for number in range(1, upload.part_count + 1):
        start = (number - 1) * upload.part_size
        send(upload_id, number, data[start : start + upload.part_size])


def stored(key: str) -> bytes:
    return objects.read(bucket(), key)


def bucket() -> str:
    return settings.uploads().audio_bucket
