"""`PUT /audio-management/audio/{id}`: changes an audio's title, description, usage or tags."""

from __future__ import annotations

from uuid import UUID

from audioapi import http, identity, problems, settings
from audioapi.library import service
from audioapi.library.models import AudioResponse, UpdateAudioRequest

settings.library()
app = http.resolver(problems.LIBRARY)


@app.put("/audio-management/audio/<audio_id>")
def update(audio_id: UUID, changes: UpdateAudioRequest) -> AudioResponse:
    given = changes.model_dump(exclude_unset=True)
    return service.update(identity.required(http.caller(app)), audio_id, given)


lambda_handler = http.handler(app)
