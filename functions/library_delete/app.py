"""`DELETE /audio-management/audio/{id}`: removes an audio and everything derived from it."""

from __future__ import annotations

from uuid import UUID

from audioapi import http, identity, problems, settings
from audioapi.library import service
from audioapi.library.models import MessageResponse

settings.library()
app = http.resolver(problems.LIBRARY)


@app.delete("/audio-management/audio/<audio_id>")
def delete(audio_id: UUID) -> MessageResponse:
    service.delete(identity.required(http.caller(app)), audio_id)
    return MessageResponse(message="Audio deleted successfully")


lambda_handler = http.handler(app)
