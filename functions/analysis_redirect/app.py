"""`POST /analyze/stream` and `GET /analyze/live/{session_id}/events`: where the events are."""

from __future__ import annotations

from urllib.parse import quote

from aws_lambda_powertools.event_handler import Response

from audioapi import http, identity, problems, settings
from audioapi.analysis import redirect

settings.analysis_stream()
app = http.resolver(problems.ANALYSIS)


@app.post("/analyze/stream")
def stream() -> Response[str]:
    identity.required(http.caller(app))
    return redirect.to_stream(app, "analyze/stream")


@app.get("/analyze/live/<session_id>/events")
def events(session_id: str) -> Response[str]:
    identity.required(http.caller(app))
    return redirect.to_stream(app, f"analyze/live/{quote(session_id, safe='')}/events")


lambda_handler = http.handler(app)
