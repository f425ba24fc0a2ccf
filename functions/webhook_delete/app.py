"""`DELETE /webhooks/{webhook_id}`: nothing is sent there any more."""

from __future__ import annotations

from audioapi import http, identity, settings
from audioapi.webhooks import service
from audioapi.webhooks.models import DeletedWebhook

settings.webhooks()
app = http.resolver()


@app.delete("/webhooks/<webhook_id>")
def delete_webhook(webhook_id: str) -> DeletedWebhook:
    return service.delete(identity.required(http.caller(app)), webhook_id)


lambda_handler = http.handler(app, scope="write")
