"""What is streamed: `GET /analyze/live/{session_id}/events` and `POST /analyze/stream`; and
`POST /analyze` for recordings that take longer than the gateway waits.

Behind a function URL; the Lambda Web Adapter starts run.sh and passes requests on.
"""

from __future__ import annotations

import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from starlette.responses import Response

from audioapi import identity, problems, settings, web
from audioapi.analysis import intake, recorded, sse
from audioapi.analysis.live import events

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from starlette.requests import Request

    from audioapi.analysis.live.events import Attachment
    from audioapi.analysis.models import Analysis
    from audioapi.identity import Principal

settings.analysis()

ENDS_BEFORE_SECONDS = 15
"""So long before the function is stopped a stream ends by itself, for its consumer to resume."""


def ready(_: Request) -> Response:
    return Response()


def live_events(request: Request) -> Response:
    caller = identity.required(web.caller(request))
    last_event_id = request.headers.get("last-event-id")
    attachment = events.attach(caller, request.path_params["session_id"], last_event_id)
    stopped_at = web.deadline(request)
    return sse.EventStream(
        _told(attachment),
        begin_at=attachment.position,
        resumed=last_event_id is not None,
        seconds=stopped_at and max(0.0, stopped_at - ENDS_BEFORE_SECONDS - time.time()),
        about=attachment.session.conversation_id,
    )


def analyze_stream(request: Request) -> Response:
    frames = _analysed(identity.required(web.caller(request)), request)
    first = next(frames)  # what is wrong with the request is a problem, and no stream
    return sse.EventStream(sse.in_thread(_from(first, frames)))


def analyze(request: Request) -> Response:
    caller = identity.required(web.caller(request))
    content_type = request.headers.get("content-type")
    with intake.opened(caller, content_type, web.body(request)) as (source, goal):
        analysis = _result(recorded.analyse(caller, source, goal=goal))
    return Response(analysis.model_dump_json(), media_type="application/json")


async def _told(attachment: Attachment) -> AsyncGenerator[sse.Frame]:
    async with aclosing(events.stream(attachment)) as messages:
        async for message in messages:
            yield sse.Frame(message.event, message.id, message.told_at)


def _analysed(caller: Principal, request: Request) -> Generator[sse.Frame]:
    content_type = request.headers.get("content-type")
    with intake.opened(caller, content_type, web.body(request)) as (source, goal):
        for event in recorded.stream(caller, source, goal=goal):
            yield sse.Frame(event)


def _from(first: sse.Frame, rest: Generator[sse.Frame]) -> Generator[sse.Frame]:
    yield first
    yield from rest


def _result(work: Generator[object, None, Analysis]) -> Analysis:
    while True:
        try:
            next(work)
        except StopIteration as end:
            analysis: Analysis = end.value
            return analysis


app = web.application(
    [
        web.route("GET", "/ready", ready),
        web.route("GET", "/analyze/live/{session_id}/events", live_events),
        web.route("POST", "/analyze/stream", analyze_stream),
        web.route("POST", "/analyze", analyze),
    ],
    problems.ANALYSIS,
)
