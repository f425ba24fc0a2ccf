"""`GET /audio-management/audio/{id}/playback-url`: a temporary address for playback."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from audioapi import http, identity, problems, settings
from audioapi.library import service
from audioapi.library.models import PlaybackUrlResponse

settings.library()
app = http.resolver(problems.LIBRARY)


@app.get("/audio-management/audio/<id>/playback-url")
def sign(
    audio_id: Annotated[UUID, Path(alias="id")],
    expires_in: Annotated[
        int, Query(alias="expiresIn", ge=60, le=604_800, description="Seconds")
    ] = 3600,
) -> PlaybackUrlResponse:
    return service.playback_url(identity.required(http.caller(app)), audio_id, seconds=expires_in)


lambda_handler = http.handler(app, scope="read")
