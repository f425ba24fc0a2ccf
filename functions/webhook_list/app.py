"""`GET /webhooks`: the caller's webhooks, without their secrets."""

from __future__ import annotations

from audioapi import http, identity, settings
from audioapi.webhooks import service
from audioapi.webhooks.models import WebhookList

settings.webhooks()
app = http.resolver()


@app.get("/webhooks")
def list_webhooks() -> WebhookList:
    return service.own_webhooks(identity.required(http.caller(app)))


lambda_handler = http.handler(app, scope="read")
