"""`POST /audio-management/upload`: takes an audio file into the library."""

from __future__ import annotations

from http import HTTPStatus

from audioapi import forms, http, idempotency, identity, problems, settings
from audioapi.library import intake
from audioapi.library.models import AudioResponse

settings.library()
app = http.resolver(problems.LIBRARY)


@app.post("/audio-management/upload", status_code=HTTPStatus.CREATED)
def upload() -> AudioResponse:
    caller = identity.required(http.caller(app))
    event = app.current_event

    def take_in() -> AudioResponse:
        content_type = event.headers.get("content-type")
        body, is_base64 = event.body or "", bool(event.is_base64_encoded)
        with forms.read(content_type, body, is_base64=is_base64) as form:
            return intake.upload(caller, form)

    return idempotency.once(app, caller, take_in, answer=AudioResponse)


lambda_handler = http.handler(app, scope="write")
