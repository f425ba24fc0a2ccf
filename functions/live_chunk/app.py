"""`POST /analyze/live/{session_id}/chunk`: takes a live conversation's next chunk."""

from __future__ import annotations

from audioapi import forms, http, identity, problems, settings
from audioapi.analysis.live import service
from audioapi.analysis.live.models import TakenChunk

settings.analysis()
settings.live()
app = http.resolver(problems.ANALYSIS)


@app.post("/analyze/live/<session_id>/chunk")
def chunk(session_id: str) -> TakenChunk:
    caller = identity.required(http.caller(app))
    event = app.current_event
    content_type, body = event.headers.get("content-type"), event.body or ""
    with forms.read(content_type, body, is_base64=bool(event.is_base64_encoded)) as form:
        return service.chunk(caller, session_id, form)


lambda_handler = http.handler(app, scope="write")
