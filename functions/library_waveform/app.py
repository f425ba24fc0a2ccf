"""`GET /audio-management/audio/{id}/waveform`: its peaks, as audiowaveform's JSON has them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path

from audioapi import http, identity, problems, settings
from audioapi.library import service

settings.library()
app = http.resolver(problems.LIBRARY)


@app.get("/audio-management/audio/<id>/waveform")
def get_waveform(audio_id: Annotated[UUID, Path(alias="id")]) -> Response[str]:
    peaks = service.waveform(identity.required(http.caller(app)), audio_id)
    return Response(HTTPStatus.OK, "application/json", peaks)


lambda_handler = http.handler(app, scope="read")
