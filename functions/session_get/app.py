"""`GET /api/audio/sessions/{session_id}`: a session, and its file's address once there is one."""

from __future__ import annotations

from audioapi import http, settings
from audioapi.streaming import service
from audioapi.streaming.models import SessionInfo

settings.streaming()
app = http.resolver()


@app.get("/api/audio/sessions/<session_id>")
def get_session(session_id: str) -> SessionInfo:
    return service.info(http.caller(app), session_id)


lambda_handler = http.handler(app, scope="read", nobody_too=True)
