"""The library's functions, called as the gateway calls them; every answer is checked against the
published TypeScript types. Audios are put where an upload would put them.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

from audioapi import database, identity, objects, settings
from audioapi.identity import Principal
from audioapi.library import service, store
from audioapi.library.models import LibraryAudio, ProcessingStatus
from audioapi.organizations import Organization
from tests.audio import wav_bytes
from tests.contract.typescript import Types
from tests.integration.audioapi.functions import app
from tests.unit.audioapi.context import Context

TYPES = Types(Path("tests/contract/library.ts"))
KINDS = {
    "library_list": "AudioListResponse",
    "library_metadata": "AudioResponse",
    "library_details": "AudioWithRelationsResponse",
    "library_update": "AudioResponse",
    "library_playback_url": "PlaybackUrlResponse",
    "library_delete": "MessageResponse",
}
ROUTES = (
    "library_list",
    "library_usage",
    "library_stream",
    "library_metadata",
    "library_details",
    "library_update",
    "library_playback_url",
    "library_waveform",
    "library_delete",
)
SAMPLE_ID = "5f0c4d2e-8a1b-4c3d-9e7f-0a1b2c3d4e5f"
JANUARY = datetime(2025, 1, 15, 10, 30, tzinfo=UTC)
PEAKS = b'{"version":2,"channels":1,"data":[-1,1]}'


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)


def call(  # noqa: PLR0913 — by keyword, and each is a part of a request
    function: str,
    audio_id: object = SAMPLE_ID,
    *,
    key: str | None,
    query: str = "",
    body: object = None,
    method: str | None = None,
    path: str | None = None,
    **headers: str,
) -> Answer:
    """What a function answers to its sample event with these in place of the sample's own. `query`
    is as in an address; HTTP APIs join what is repeated with commas.
    """
    sample = json.loads(Path("events", f"{function}.json").read_text())
    sent = json.loads(json.dumps(sample).replace(SAMPLE_ID, str(audio_id)))
    sent["headers"] = {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        sent["headers"]["x-api-key"] = key
    sent["rawQueryString"] = query
    sent["queryStringParameters"] = _joined(query)
    if body is not None:
        sent["body"] = body if isinstance(body, str) else json.dumps(body)
    if path is not None:
        sent["rawPath"] = sent["requestContext"]["http"]["path"] = path
    if method is not None:
        sent["requestContext"]["http"]["method"] = method
    answer = _answer(app(function).lambda_handler(sent, Context()))
    check(function, answer)
    return answer


def check(function: str, answer: Answer) -> None:
    """Raises jsonschema.ValidationError for an answer that isn't of the published types."""
    if answer.status >= 400:
        problem = answer.body
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert problem["statusCode"] == problem["status"] == answer.status
        assert problem["message"] == problem["detail"]
    elif function == "library_usage":
        for item in answer.body:
            TYPES.check(item, "AudioResponse")
    elif function in KINDS:
        TYPES.check(answer.body, KINDS[function])


def metadata(audio_id: UUID) -> Any:
    return call("library_metadata", audio_id, key="Acme").body


def titles(query: str, *, key: str = "Acme") -> list[str]:
    answer = call("library_list", key=key, query=query)
    assert answer.status == 200, answer.body
    return [item["title"] for item in answer.body["data"]]


def organization(name: str) -> UUID:
    """A new organisation, whose name is also the key of one who may do everything in it."""
    made = Organization(id=uuid4(), name=name, slug=f"{name.lower()}-{uuid4().hex[:8]}")
    database.transaction(lambda session: session.merge(made))
    allow(name, made.id)
    return made.id


def allow(key: str, organization_id: object, *scopes: str) -> None:
    principal = Principal(f"user-of-{key}", str(organization_id), scopes or identity.ALL_SCOPES)
    identity.put_api_key(key, principal)


def add(own: UUID, title: str = "Welcome Message", *, data: bytes = b"", **values: Any) -> UUID:
    """An audio of the organisation, whose file is `data`, or a second of noise."""
    audio_id = values.pop("id", None) or uuid4()
    data = data or noise()
    given: dict[str, Any] = {
        "id": audio_id,
        "organization_id": own,
        "title": title,
        "usage_type": "welcome",
        "duration_seconds": 1.0,
        "sample_rate": 8000,
        "channels": 1,
        "bit_depth": 16,
        "original_file_name": "welcome.wav",
        "processing_status": ProcessingStatus.COMPLETE,
        "file_id": uuid4(),
        "file_name": "welcome_processed.wav",
        "content_type": "audio/wav",
        "file_size": len(data),
        "checksum": sha256(data).hexdigest(),
        "created_at": JANUARY,
        "updated_at": JANUARY,
        **values,
    }
    database.transaction(lambda session: store.add(session, LibraryAudio(**given)))
    put = {"original": b"as it came", "processed.wav": data, "waveform.json": PEAKS}
    for name, content in put.items():
        key = service.folder(own, audio_id) + name
        objects.put(bucket(), key, content, content_type="application/octet-stream")
    return audio_id


@cache
def noise(seconds: float = 1) -> bytes:
    return wav_bytes(rate=8000, channels=1, seconds=seconds)


def bucket() -> str:
    return settings.library().audio_bucket


def stored(own: UUID, audio_id: UUID | None = None) -> list[str]:
    """The names of an audio's objects, or all of an organisation's keys."""
    prefix = service.folder(own, audio_id) if audio_id else f"library/{own}/"
    return [key.removeprefix(prefix) for key in objects.keys(bucket(), prefix)]


def _joined(query: str) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _answer(response: dict[str, Any]) -> Answer:
    body = response["body"] or ""
    content = base64.b64decode(body) if response["isBase64Encoded"] else body.encode()
    return Answer(int(response["statusCode"]), response.get("headers", {}), content)
