"""`POST /api/audio/sessions/{session_id}/close`: ends a session; its file is made afterwards."""

from __future__ import annotations

from audioapi import http, settings
from audioapi.streaming import service
from audioapi.streaming.models import ClosedSession

settings.streaming()
app = http.resolver()


@app.post("/api/audio/sessions/<session_id>/close")
def close_session(session_id: str) -> ClosedSession:
    return service.close(http.caller(app), session_id, received_at=http.received_at(app))


lambda_handler = http.handler(app, scope="write", nobody_too=True)
