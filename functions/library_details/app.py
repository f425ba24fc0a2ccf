"""`GET /audio-management/audio/{id}/details`: the same, with its organisation."""

from __future__ import annotations

from uuid import UUID

from audioapi import http, identity, problems, settings
from audioapi.library import service
from audioapi.library.models import AudioWithRelationsResponse

settings.library()
app = http.resolver(problems.LIBRARY)


@app.get("/audio-management/audio/<audio_id>/details")
def get_details(audio_id: UUID) -> AudioWithRelationsResponse:
    return service.details(identity.required(http.caller(app)), audio_id)


lambda_handler = http.handler(app)
