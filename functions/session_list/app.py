"""`GET /api/audio/sessions`: the caller's sessions, active first, in pages."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from audioapi import http, settings
from audioapi.streaming import service
from audioapi.streaming.models import SessionPage

settings.streaming()
app = http.resolver()


@app.get("/api/audio/sessions")
def list_sessions(
    limit: Annotated[int, Query(ge=1, le=100, description="Sessions on a page")] = 20,
    cursor: Annotated[str | None, Query(description="next_cursor of the page before")] = None,
) -> SessionPage:
    return service.own_sessions(http.caller(app), limit=limit, cursor=cursor)


lambda_handler = http.handler(app, scope="read")
