"""`GET /audio-management/uploads/{uploadId}`: which parts have arrived, to go on from there."""

from __future__ import annotations

from audioapi import http, identity, problems, settings
from audioapi.library import uploads
from audioapi.library.uploads import UploadProgress

settings.library()
settings.uploads()
app = http.resolver(problems.LIBRARY)


@app.get("/audio-management/uploads/<upload_id>")
def progress(upload_id: str) -> UploadProgress:
    return uploads.progress(identity.required(http.caller(app)), upload_id)


lambda_handler = http.handler(app, scope="read")
