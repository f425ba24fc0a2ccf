"""`PUT /audio-management/audio/{id}`: changes an audio's title, description, usage or tags."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Path

from audioapi import http, identity, problems, settings
from audioapi.library import service
from audioapi.library.models import AudioResponse, UpdateAudioRequest

settings.library()
app = http.resolver(problems.LIBRARY)


@app.put("/audio-management/audio/<id>")
def update(
    audio_id: Annotated[UUID, Path(alias="id")], wanted: UpdateAudioRequest
) -> AudioResponse:
    return service.update(identity.required(http.caller(app)), audio_id, wanted)


lambda_handler = http.handler(app, scope="write")
