"""`DELETE /audio-management/uploads/{uploadId}`: ends it, and removes what has arrived."""

from __future__ import annotations

from audioapi import http, identity, problems, settings
from audioapi.library import uploads
from audioapi.library.uploads import LibraryUpload

settings.library()
settings.uploads()
app = http.resolver(problems.LIBRARY)


@app.delete("/audio-management/uploads/<upload_id>")
def abort(upload_id: str) -> LibraryUpload:
    return uploads.abort(identity.required(http.caller(app)), upload_id)


lambda_handler = http.handler(app, scope="write")
