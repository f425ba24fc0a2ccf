"""`GET /audio-management/audio/{id}/details`: the same, with its organisation."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Path

from audioapi import http, identity, problems, settings
from audioapi.library import service
from audioapi.library.models import AudioWithRelationsResponse

settings.library()
app = http.resolver(problems.LIBRARY)


@app.get("/audio-management/audio/<id>/details")
def get_details(audio_id: Annotated[UUID, Path(alias="id")]) -> AudioWithRelationsResponse:
    return service.details(identity.required(http.caller(app)), audio_id)


lambda_handler = http.handler(app, scope="read")
