"""`POST /analyze`: analyses a short recording, and sends longer ones to where there is time."""

from __future__ import annotations

import base64

from aws_lambda_powertools.event_handler import Response

from audioapi import http, identity, problems, settings, snapshots
from audioapi.analysis import conversation
from audioapi.analysis.events import redirect
from audioapi.analysis.models import Analysis
from audioapi.analysis.recorded import intake, service
from audioapi.analysis.recorded.service import TooLongForRequestError

settings.analysis()
settings.analysis_stream()
snapshots.before(conversation.load)
app = http.resolver(problems.ANALYSIS)


@app.post("/analyze")
def analyze() -> Analysis:
    caller = identity.required(http.caller(app))
    event = app.current_event
    body = event.body or ""
    blocks = [base64.b64decode(body) if event.is_base64_encoded else body.encode()]
    with intake.opened(caller, event.headers.get("content-type"), blocks) as (source, goal):
        return service.analyse_at_once(caller, source, goal=goal)


def send_on(_: TooLongForRequestError) -> Response[str]:
    return redirect.to_stream(app, settings.analysis_stream().analysis_stream_url, "analyze")


app.exception_handler(TooLongForRequestError)(send_on)
lambda_handler = http.handler(app, scope="write")
