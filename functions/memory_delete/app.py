"""`DELETE /memories/{memory_id}`: removes a session's memories, or one, and their audio; with
the last of them, whatever else there is of the recording.
"""

from __future__ import annotations

from audioapi import http, problems, settings
from audioapi.memories.models import Answer, Deleted
from audioapi.processing import removal

settings.database()
settings.memories()
settings.processing()
settings.streaming()
app = http.resolver(problems.MEMORIES)


@app.delete("/memories/<memory_id>")
def delete_memory(memory_id: str) -> Answer[Deleted]:
    now = http.received_at(app)
    return Answer(data=removal.delete(http.caller(app), memory_id.strip(), now=now))


lambda_handler = http.handler(app, scope="write")
