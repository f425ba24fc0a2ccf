"""`DELETE /memories/{memory_id}`: removes a session's memories, or one, and their audio."""

from __future__ import annotations

from audioapi import http, problems, settings
from audioapi.memories import service
from audioapi.memories.models import Answer, Deleted

settings.database()
settings.memories()
app = http.resolver(problems.MEMORIES)


@app.delete("/memories/<memory_id>")
def delete_memory(memory_id: str) -> Answer[Deleted]:
    return Answer(data=service.delete(http.caller(app), memory_id.strip()))


lambda_handler = http.handler(app)
