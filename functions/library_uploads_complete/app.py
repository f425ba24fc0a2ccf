"""`POST /audio-management/uploads/{uploadId}/complete`: makes the parts one file."""

from __future__ import annotations

from audioapi import http, identity, problems, settings
from audioapi.library import uploaded
from audioapi.library.models import AudioResponse

settings.library()
settings.uploads()
app = http.resolver(problems.LIBRARY)


@app.post("/audio-management/uploads/<upload_id>/complete")
def complete(upload_id: str) -> AudioResponse:
    return uploaded.complete(identity.required(http.caller(app)), upload_id)


lambda_handler = http.handler(app, scope="write")
