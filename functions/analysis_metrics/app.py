"""`GET /metrics`: counts of events and consumers, and how long analysers take."""

from __future__ import annotations

import json

from aws_lambda_powertools.event_handler import Response

from audioapi import http, identity, problems, settings
from audioapi.analysis import metrics, prometheus

settings.analysis()
app = http.resolver(problems.ANALYSIS)


@app.get("/metrics")
def read() -> Response[str]:
    identity.required(http.caller(app)).require("read")
    now = metrics.snapshot()
    if prometheus.is_wanted(app.current_event.headers.get("accept", "")):
        return Response(200, prometheus.CONTENT_TYPE, prometheus.text(now))
    return Response(200, "application/json", json.dumps(now.as_json()))


lambda_handler = http.handler(app, scope="read")
