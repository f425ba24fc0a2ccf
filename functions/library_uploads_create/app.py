"""`POST /audio-management/uploads`: begins the direct upload of an audio file."""

from __future__ import annotations

from http import HTTPStatus

from audioapi import http, idempotency, identity, problems, settings
from audioapi.library import uploaded
from audioapi.library.uploaded import NewUpload
from audioapi.library.uploads import LibraryUpload

settings.library()
settings.uploads()
app = http.resolver(problems.LIBRARY)


@app.post("/audio-management/uploads", status_code=HTTPStatus.CREATED)
def create(wanted: NewUpload) -> LibraryUpload:
    caller = identity.required(http.caller(app))
    return idempotency.once(
        app, caller, lambda: uploaded.begin(caller, wanted), answer=LibraryUpload
    )


lambda_handler = http.handler(app, scope="write")
