"""`GET /health`: whether the API can do its work. Without a key, for load balancers and alarms."""

from __future__ import annotations

from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from audioapi import http, settings
from audioapi.health import Health, health

settings.health()
settings.database()
app = http.resolver()


@app.get(
    "/health",
    responses={
        200: {
            "description": "Everything answers",
            "content": {"application/json": {"model": Health}},
        },
        503: {
            "description": "Something doesn't",
            "content": {"application/json": {"model": Health}},
        },
    },
)
def get_health() -> Response[Health]:
    found = health()
    status = HTTPStatus.OK if found.status == "healthy" else HTTPStatus.SERVICE_UNAVAILABLE
    return Response(status, content_type="application/json", body=found)


lambda_handler = http.handler(app)
