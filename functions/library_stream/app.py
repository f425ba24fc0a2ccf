"""`GET` and `HEAD /audio-management/audio/{id}` and `…/stream`: the audio, for playback."""

from __future__ import annotations

import base64
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path

from audioapi import http, identity, problems, settings
from audioapi.library import playback

settings.library()
app = http.resolver(problems.LIBRARY)


@app.route("/audio-management/audio/<id>", method=["GET", "HEAD"])
@app.route("/audio-management/audio/<id>/stream", method=["GET", "HEAD"])
def stream(audio_id: Annotated[UUID, Path(alias="id")]) -> Response[str]:
    asked = app.current_event.headers
    head_only = app.current_event.http_method == "HEAD"
    audio = playback.find(identity.required(http.caller(app)), audio_id)
    headers = {"ETag": audio.etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    if playback.unchanged(asked.get("if-none-match"), audio.etag):
        return Response(HTTPStatus.NOT_MODIFIED, body="", headers=headers)
    # Ranges are for GET only: https://www.rfc-editor.org/rfc/rfc9110#section-14.2
    part = None if head_only else audio.part(asked.get("range"), asked.get("if-range"))
    if not audio.fits(part):
        headers = {"Location": audio.url(head_only=head_only), "Cache-Control": "no-store"}
        return Response(HTTPStatus.TEMPORARY_REDIRECT, body="", headers=headers)
    if part:
        headers["Content-Range"] = part.content_range
    status = HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK
    # For HEAD too: the gateway counts the bytes for Content-Length, and sends none of them.
    body = base64.b64encode(audio.read(part)).decode()
    answer = Response(status, audio.content_type, body, headers)
    answer.base64_encoded = True
    return answer


lambda_handler = http.handler(app, scope="read")
