"""`GET` and `HEAD /audio-management/audio/{id}` and `…/stream`: the audio, for playback."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from audioapi import http, identity, problems, settings
from audioapi.library import playback

settings.library()
app = http.resolver(problems.LIBRARY)


@app.route("/audio-management/audio/<audio_id>", method=["GET", "HEAD"])
@app.route("/audio-management/audio/<audio_id>/stream", method=["GET", "HEAD"])
def stream(audio_id: UUID) -> Response[bytes]:
    asked = app.current_event.headers
    audio = playback.open_audio(
        identity.required(http.caller(app)),
        audio_id,
        wanted=asked.get("range"),
        if_range=asked.get("if-range"),
    )
    headers = {"ETag": audio.etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    if playback.unchanged(asked.get("if-none-match"), audio.etag):
        return Response(HTTPStatus.NOT_MODIFIED, headers=headers)
    if not audio.fits:
        return Response(HTTPStatus.TEMPORARY_REDIRECT, headers={"Location": audio.url()})
    status = HTTPStatus.OK
    if audio.part:
        status = HTTPStatus.PARTIAL_CONTENT
        headers["Content-Range"] = audio.part.content_range
    headers["Content-Length"] = str(audio.part.size if audio.part else audio.size)
    head_only = app.current_event.http_method == "HEAD"
    return Response(status, audio.content_type, b"" if head_only else audio.read(), headers)


lambda_handler = http.handler(app)
