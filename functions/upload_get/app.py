"""`GET /recordings/uploads/{upload_id}`: which parts have arrived, to go on with the others."""

from __future__ import annotations

from audioapi import http, identity, settings
from audioapi.uploads import recordings
from audioapi.uploads.recordings import RecordingProgress

settings.uploads()
app = http.resolver()


@app.get("/recordings/uploads/<upload_id>")
def get_upload(upload_id: str) -> RecordingProgress:
    return recordings.progress(identity.required(http.caller(app)), upload_id)


lambda_handler = http.handler(app, scope="read")
