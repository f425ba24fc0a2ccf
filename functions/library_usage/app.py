"""`GET /audio-management/audios/usage/{usageType}`: the caller's audio of one usage."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path

from audioapi import http, identity, problems, settings
from audioapi.library import service
from audioapi.library.models import AudioResponse, UsageType

settings.library()
app = http.resolver(problems.LIBRARY)
MORE = '</audio-management/audios?usageType={}&limit=100&page={}>; rel="next"'


@app.get("/audio-management/audios/usage/<usageType>")
def list_of_usage(
    usage_type: Annotated[UsageType, Path(alias="usageType")],
) -> Response[list[AudioResponse]]:
    found, is_all = service.of_usage(identity.required(http.caller(app)), usage_type)
    # https://www.rfc-editor.org/rfc/rfc8288
    more = {} if is_all else {"Link": MORE.format(usage_type, service.MOST_OF_USAGE // 100 + 1)}
    return Response(HTTPStatus.OK, "application/json", found, more)


lambda_handler = http.handler(app, scope="read")
