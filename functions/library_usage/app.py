"""`GET /audio-management/audios/usage/{usageType}`: all of the caller's audio of one usage."""

from __future__ import annotations

from audioapi import http, identity, problems, settings
from audioapi.library import service
from audioapi.library.models import AudioResponse, UsageType

settings.library()
app = http.resolver(problems.LIBRARY)


@app.get("/audio-management/audios/usage/<usage_type>")
def list_of_usage(usage_type: UsageType) -> list[AudioResponse]:
    return service.of_usage(identity.required(http.caller(app)), usage_type)


lambda_handler = http.handler(app)
