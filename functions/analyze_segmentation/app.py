"""`POST /analyze/segmentation`: cuts a timeline into what was talked about."""

from __future__ import annotations

from audioapi import http, identity, problems, settings
from audioapi.analysis.models import Segmentation
from audioapi.analysis.recorded import timelines
from audioapi.analysis.recorded.timelines import Timeline

settings.analysis()
app = http.resolver(problems.ANALYSIS)


@app.post("/analyze/segmentation")
def segment(given: Timeline) -> Segmentation:
    return timelines.segment(identity.required(http.caller(app)), given)


lambda_handler = http.handler(app, scope="read")
