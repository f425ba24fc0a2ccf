"""`DELETE /audio-management/audio/{id}`: removes an audio and everything derived from it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Path

from audioapi import http, identity, problems, settings
from audioapi.library import service
from audioapi.library.models import MessageResponse

settings.library()
app = http.resolver(problems.LIBRARY)


@app.delete("/audio-management/audio/<id>")
def delete(audio_id: Annotated[UUID, Path(alias="id")]) -> MessageResponse:
    service.delete(identity.required(http.caller(app)), audio_id)
    return MessageResponse(message="Audio deleted successfully")


lambda_handler = http.handler(app, scope="write")
