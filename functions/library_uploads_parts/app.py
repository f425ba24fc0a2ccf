"""`POST /audio-management/uploads/{uploadId}/parts`: signs the addresses that parts go to."""

from __future__ import annotations

from audioapi import http, identity, problems, settings
from audioapi.library import uploads
from audioapi.library.uploads import PartsToSend, SignedAddresses

settings.library()
settings.uploads()
app = http.resolver(problems.LIBRARY)


@app.post("/audio-management/uploads/<upload_id>/parts")
def sign(upload_id: str, wanted: PartsToSend) -> SignedAddresses:
    return uploads.sign(identity.required(http.caller(app)), upload_id, wanted)


lambda_handler = http.handler(app, scope="write")
