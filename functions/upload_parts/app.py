"""`POST /recordings/uploads/{upload_id}/parts`: signs the addresses that parts go to."""

from __future__ import annotations

from audioapi import http, identity, settings
from audioapi.uploads import recordings
from audioapi.uploads.recordings import PartsToSend, SignedParts

settings.uploads()
app = http.resolver()


@app.post("/recordings/uploads/<upload_id>/parts")
def sign_parts(upload_id: str, wanted: PartsToSend) -> SignedParts:
    return recordings.sign(identity.required(http.caller(app)), upload_id, wanted)


lambda_handler = http.handler(app, scope="write")
