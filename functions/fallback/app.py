"""`$default` of the HTTP API: what no route takes is a problem too, 404 or 405."""

from __future__ import annotations

from audioapi import http, settings

app = http.fallback(settings.routes().routes)
lambda_handler = http.handler(app)
