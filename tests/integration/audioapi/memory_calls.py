"""The memories' functions, called as the gateway calls them, and rows and objects as they are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import select

from audioapi import database, objects, settings
from audioapi.clock import now_ms
from audioapi.memories import windows
from audioapi.memories.models import Recording, WorldMMSegment, audio_key
from tests.audio import pcm
from tests.integration.audioapi.functions import app
from tests.unit.audioapi.context import Context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audioapi.memories.models import Owner

WINDOW_SECONDS = 30
RATE = 16_000


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any

    @property
    def code(self) -> str:
        """The problem's, as published clients of this family read it."""
        return str(self.body["error"]["code"])


def call(
    function: str,
    memory_id: str = "",
    *,
    key: str | None,
    path: str | None = None,
    body: str | None = None,
    **query: str,
) -> Answer:
    """What a function answers to its sample event with these in place of the sample's own."""
    request = json.loads(Path("events", f"{function}.json").read_text())
    request["headers"] = {} if key is None else {"x-api-key": key}
    request["requestContext"]["timeEpoch"] = now_ms()
    request["queryStringParameters"] = query
    if "body" in request:
        request["body"] = json.dumps({"memory_id": memory_id}) if body is None else body
    if "pathParameters" in request:
        path = f"/memories/{memory_id}"
    if path is not None:
        request["rawPath"] = request["requestContext"]["http"]["path"] = path
    response = app(function).lambda_handler(request, Context())
    return Answer(response["statusCode"], json.loads(response["body"]))


def recording(owner: Owner, *, start_time: int = 1_795_251_600_000) -> Recording:
    return Recording(str(uuid4()), owner.organization_id, owner.user_id, start_time, asked_at=0)


def remember(recorded: Recording, *, seconds: float = 1) -> bytes:
    """Does all of the worker's work on a recording; its samples."""
    samples = pcm(rate=RATE, channels=1, seconds=seconds)
    windows.plan(recorded, seconds=seconds)
    assert b"".join(windows.cut(recorded, blocks(samples))) == samples
    windows.complete(recorded, samples=len(samples) // 2)
    return samples


def blocks(samples: bytes, size: int = 65_537) -> Iterator[bytes]:
    """As a pipe gives them: not always whole samples."""
    return (samples[at : at + size] for at in range(0, len(samples), size))


def add(owner: Owner, **values: Any) -> str:
    """Keeps a segment as somebody else's pipeline might; its id."""
    began = recording(owner).began
    given = {
        "id": str(uuid4()),
        "organization_id": owner.organization_id,
        "user_id": owner.user_id,
        "start_time": began,
        "end_time": began,
        "recorded_at": began,
        "duration_seconds": 30.0,
        "processing_status": "complete",
        **values,
    }
    database.transaction(lambda session: session.merge(WorldMMSegment(**given)))
    return str(given["id"])


def rows(recorded: Recording) -> list[WorldMMSegment]:
    """A recording's, in order."""
    wanted = (
        select(WorldMMSegment)
        .where(WorldMMSegment.source_session_id == recorded.session_id)
        .order_by(WorldMMSegment.source_window_index)
    )
    return list(database.transaction(lambda session: session.scalars(wanted).all()))


def statuses(recorded: Recording) -> list[str]:
    return [row.processing_status for row in rows(recorded)]


def values(recorded: Recording) -> list[dict[str, Any]]:
    """All there is in a recording's rows."""
    names = WorldMMSegment.__table__.columns.keys()
    return [{n: getattr(row, n) for n in names if n != "search"} for row in rows(recorded)]


def bucket() -> str:
    return settings.memories().audio_bucket


def stored(session_id: str) -> dict[str, bytes]:
    """A session's objects by key."""
    keys = objects.keys(bucket(), f"sessions/{session_id}/")
    return {key: objects.read(bucket(), key) for key in keys}


def file(recorded: Recording, window: int) -> bytes:
    return objects.read(bucket(), audio_key(recorded.session_id, window))
