"""`POST /process_audio_v2/{user_id}`: starts the processing of a recording."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from audioapi import http, idempotency, identity, settings
from audioapi.processing import service
from audioapi.processing.models import Started
from audioapi.recordings import Extension

settings.processing()
app = http.resolver()


@app.post("/process_audio_v2/<user_id>")
def process_audio(
    user_id: str,
    file_id: Annotated[str | None, Query(description="Wins over file_name")] = None,
    file_extension: Annotated[Extension, Query(description="Of the file_id's file")] = "m4a",
    file_name: Annotated[str | None, Query(description="With its extension")] = None,
) -> Started:
    caller = identity.required(http.caller(app))

    def start() -> Started:
        return service.start(
            caller,
            user_id,
            file_id=file_id,
            extension=file_extension,
            file_name=file_name,
            idempotency_key=idempotency.key_of(app),
            now=http.received_at(app),
        )

    return idempotency.once(app, caller, start, answer=Started)


lambda_handler = http.handler(app, scope="write")
