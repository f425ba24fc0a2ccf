"""`POST /analyze/stream`: what is found in a recording, while it is found; and `POST /analyze` for
recordings that take longer than the gateway waits.

Behind a function URL; the Lambda Web Adapter starts run.sh and passes requests on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from audioapi import identity, problems, settings, snapshots, web
from audioapi.analysis import conversation
from audioapi.analysis.events import sse
from audioapi.analysis.recorded import intake, service

if TYPE_CHECKING:
    from collections.abc import Generator

    from starlette.requests import Request

    from audioapi.analysis.models import Analysis
    from audioapi.identity import Principal

settings.analysis()
snapshots.before(conversation.load)


def analyze_stream(request: Request) -> Response:
    frames = _analysed(identity.required(web.caller(request)), request)
    first = next(frames)  # what is wrong with the request is a problem, and no stream
    return sse.EventStream(sse.in_thread(_from(first, frames)))


def analyze(request: Request) -> Response:
    caller = identity.required(web.caller(request))
    content_type = request.headers.get("content-type")
    with intake.opened(caller, content_type, web.body(request)) as (source, goal):
        analysis = _result(service.analyse(caller, source, goal=goal))
    return Response(
        analysis.model_dump_json(),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _analysed(caller: Principal, request: Request) -> Generator[sse.Frame]:
    content_type = request.headers.get("content-type")
    with intake.opened(caller, content_type, web.body(request)) as (source, goal):
        for event in service.stream(caller, source, goal=goal):
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
        web.route("POST", "/analyze/stream", analyze_stream),
        web.route("POST", "/analyze", analyze),
    ],
    problems.ANALYSIS,
)
