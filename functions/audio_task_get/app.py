"""`GET /get_audio_task/{task_id}`: how far a task is, and where its results are read."""

from __future__ import annotations

from audioapi import http, identity, settings
from audioapi.processing import service
from audioapi.processing.models import TaskInfo

settings.processing()
app = http.resolver()


@app.get("/get_audio_task/<task_id>")
def get_audio_task(task_id: str) -> TaskInfo:
    return service.info(identity.required(http.caller(app)), task_id)


lambda_handler = http.handler(app, scope="read")
