"""`POST /analyze/stream` and `GET /analyze/live/{session_id}/events`: where the events are."""

from __future__ import annotations

from urllib.parse import quote

from aws_lambda_powertools.event_handler import Response

from audioapi import http, identity, problems, settings
from audioapi.analysis.events import redirect

settings.analysis_stream()
settings.live_events()
app = http.resolver(problems.ANALYSIS)


@app.post("/analyze/stream")
def stream() -> Response[str]:
    identity.required(http.caller(app))
    return redirect.to_stream(app, settings.analysis_stream().analysis_stream_url, "analyze/stream")


@app.get("/analyze/live/<session_id>/events")
def events(session_id: str) -> Response[str]:
    identity.required(http.caller(app))
    path = f"analyze/live/{quote(session_id, safe='')}/events"
    return redirect.to_stream(app, settings.live_events().live_events_url, path)


lambda_handler = http.handler(app, scope={"POST": "write", "GET": "read"})
