"""`GET /audio-management/audio/{id}/waveform`: its peaks, as audiowaveform's JSON has them."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from audioapi import http, identity, problems, settings
from audioapi.library import service

settings.library()
app = http.resolver(problems.LIBRARY)


@app.get("/audio-management/audio/<audio_id>/waveform")
def get_waveform(audio_id: UUID) -> Response[str]:
    peaks = service.waveform(identity.required(http.caller(app)), audio_id)
    return Response(HTTPStatus.OK, "application/json", peaks)


lambda_handler = http.handler(app)
