"""`GET /analyze/live/{session_id}/events`: the events of a live session for its one consumer.

Behind a function URL; the Lambda Web Adapter starts run.sh and passes requests on. A stream is paid
for by the size of its function for as long as it is open, and this one needs little.
"""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from audioapi import identity, problems, settings, web
from audioapi.analysis.events import sse
from audioapi.analysis.live import event_stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request
    from starlette.responses import Response

    from audioapi.analysis.live.event_stream import Attachment

settings.analysis()

ENDS_BEFORE_SECONDS = 15
"""So long before the function is stopped a stream ends by itself, for its consumer to resume."""


def live_events(request: Request) -> Response:
    caller = identity.required(web.caller(request))
    last_event_id = request.headers.get("last-event-id")
    attachment = event_stream.attach(caller, request.path_params["session_id"], last_event_id)
    stopped_at = web.deadline(request)
    return sse.EventStream(
        _told(attachment),
        begin_at=attachment.position,
        resumed=last_event_id is not None,
        seconds=stopped_at and max(0.0, stopped_at - ENDS_BEFORE_SECONDS - time.time()),
        about=attachment.session.conversation_id,
    )


async def _told(attachment: Attachment) -> AsyncGenerator[sse.Frame]:
    async with aclosing(event_stream.stream(attachment)) as messages:
        async for message in messages:
            yield sse.Frame(message.event, message.id, message.told_at)


app = web.application(
    [web.route("GET", "/analyze/live/{session_id}/events", live_events)], problems.ANALYSIS
)
