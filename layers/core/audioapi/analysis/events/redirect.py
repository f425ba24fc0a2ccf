"""Where events are streamed: a gateway that can't sends its callers there."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver


def to_stream(app: APIGatewayHttpResolver, base: str, path: str) -> Response[str]:
    """The same request once more, at the URL `base`: 307 keeps its method and body, and we its
    query, as an EventSource has its credentials nowhere else. Nobody may keep it, as it holds them.
    """
    query = app.current_event.raw_event.get("rawQueryString", "")
    location = f"{base}{path}"
    headers = {
        "Location": f"{location}?{query}" if query else location,
        "Cache-Control": "no-store",
    }
    return Response(HTTPStatus.TEMPORARY_REDIRECT, body="", headers=headers)
