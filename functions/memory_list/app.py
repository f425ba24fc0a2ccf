"""`GET /memories`: the caller's memories, newest first, in pages; all, or those that match."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from audioapi import http, problems, settings
from audioapi.memories import service
from audioapi.memories.models import Answer, MemoryPage

settings.database()
app = http.resolver(problems.MEMORIES)


@app.get("/memories")
def list_memories(
    limit: Annotated[int, Query(ge=1, le=100, description="Memories on a page")] = 20,
    cursor: Annotated[str | None, Query(description="next_cursor of the page before")] = None,
    search: Annotated[
        str | None, Query(max_length=200, description='words, "a phrase", -without, this or that')
    ] = None,
) -> Answer[MemoryPage]:
    found = service.own_memories(http.caller(app), limit=limit, cursor=cursor, search=search)
    return Answer(data=found)


lambda_handler = http.handler(app, scope="read")
