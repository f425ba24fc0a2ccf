"""`DELETE /recordings/uploads/{upload_id}`: ends an upload and removes what has arrived of it."""

from __future__ import annotations

from audioapi import http, identity, settings
from audioapi.uploads import recordings
from audioapi.uploads.recordings import RecordingUpload

settings.uploads()
app = http.resolver()


@app.delete("/recordings/uploads/<upload_id>")
def abort_upload(upload_id: str) -> RecordingUpload:
    return recordings.abort(identity.required(http.caller(app)), upload_id)


lambda_handler = http.handler(app, scope="write")
