"""`POST /recordings/uploads`: begins the direct upload of a recording."""

from __future__ import annotations

from http import HTTPStatus

from audioapi import http, idempotency, identity, settings
from audioapi.uploads import recordings
from audioapi.uploads.recordings import NewRecording, RecordingUpload

settings.uploads()
app = http.resolver()


@app.post("/recordings/uploads", status_code=HTTPStatus.CREATED)
def create_upload(wanted: NewRecording) -> RecordingUpload:
    caller = identity.required(http.caller(app))
    return idempotency.once(
        app, caller, lambda: recordings.begin(caller, wanted), answer=RecordingUpload
    )


lambda_handler = http.handler(app, scope="write")
