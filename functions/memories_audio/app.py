"""`POST /memories/audio` and `POST /memories/audio-metadata`: how long a memory is, whether it is
ready, and where it is to be had then.
"""

from __future__ import annotations

from audioapi import http, problems, settings
from audioapi.memories import service
from audioapi.memories.models import Answer, MemoryAudio, MemoryRequest

settings.database()
settings.memories()
app = http.resolver(problems.MEMORIES)


@app.post("/memories/audio")
@app.post("/memories/audio-metadata")
def memory_audio(request: MemoryRequest) -> Answer[MemoryAudio]:
    return Answer(data=service.audio(http.caller(app), request.memory_id))


lambda_handler = http.handler(app, scope="read")
