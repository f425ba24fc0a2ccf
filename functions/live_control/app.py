"""`POST /analyze/live/{session_id}/control`: ends a live conversation, or keeps it open."""

from __future__ import annotations

from audioapi import http, identity, problems, settings
from audioapi.analysis.live import service
from audioapi.analysis.live.models import Controlled, ControlRequest

settings.analysis()
settings.live()
app = http.resolver(problems.ANALYSIS)


@app.post("/analyze/live/<session_id>/control")
def control(session_id: str, wanted: ControlRequest) -> Controlled:
    return service.control(identity.required(http.caller(app)), session_id, wanted)


lambda_handler = http.handler(app, scope="write")
