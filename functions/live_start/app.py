"""`POST /analyze/live/start`: begins a live conversation."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Body

from audioapi import http, idempotency, identity, problems, settings
from audioapi.analysis.live import service
from audioapi.analysis.live.models import Started, StartRequest

settings.analysis()
settings.live_events()
app = http.resolver(problems.ANALYSIS)


@app.post("/analyze/live/start")
def start(wanted: Annotated[StartRequest | None, Body()] = None) -> Started:
    caller = identity.required(http.caller(app))
    request = wanted or StartRequest()
    return idempotency.once(app, caller, lambda: service.start(caller, request), answer=Started)


lambda_handler = http.handler(app, scope="write")
