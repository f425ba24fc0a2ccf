"""`GET /audio-management/audio/{id}/metadata`: what is known of an audio."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Path

from audioapi import http, identity, problems, settings
from audioapi.library import service
from audioapi.library.models import AudioResponse

settings.library()
app = http.resolver(problems.LIBRARY)


@app.get("/audio-management/audio/<id>/metadata")
def get_metadata(audio_id: Annotated[UUID, Path(alias="id")]) -> AudioResponse:
    return service.metadata(identity.required(http.caller(app)), audio_id)


lambda_handler = http.handler(app, scope="read")
