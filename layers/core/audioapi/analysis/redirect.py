"""Where events are streamed: a gateway that can't sends its callers there."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response

from audioapi import settings

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver


def to_stream(app: APIGatewayHttpResolver, path: str) -> Response[str]:
    """The same request once more, there: 307 keeps its method and body, and we its query, as an
    EventSource has its credentials nowhere else. Not to be kept by anybody: it may hold them.
    """
    query = app.current_event.raw_event.get("rawQueryString", "")
    location = f"{settings.analysis_stream().analysis_stream_url}{path}"
    headers = {
        "Location": f"{location}?{query}" if query else location,
        "Cache-Control": "no-store",
    }
    return Response(HTTPStatus.TEMPORARY_REDIRECT, body="", headers=headers)
