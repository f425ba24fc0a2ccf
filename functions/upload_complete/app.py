"""`POST /recordings/uploads/{upload_id}/complete`: makes the parts one recording."""

from __future__ import annotations

from audioapi import http, identity, settings
from audioapi.uploads import recordings
from audioapi.uploads.recordings import RecordingUpload

settings.uploads()
app = http.resolver()


@app.post("/recordings/uploads/<upload_id>/complete")
def complete_upload(upload_id: str) -> RecordingUpload:
    return recordings.complete(identity.required(http.caller(app)), upload_id)


lambda_handler = http.handler(app, scope="write")
