"""`POST /webhooks`: registers an address that is told when the caller's work is done."""

from __future__ import annotations

from http import HTTPStatus

from audioapi import http, idempotency, identity, settings
from audioapi.webhooks import service
from audioapi.webhooks.models import CreatedWebhook, NewWebhook

settings.webhooks()
settings.idempotency()
app = http.resolver()


@app.post("/webhooks", status_code=HTTPStatus.CREATED)
def create_webhook(webhook: NewWebhook) -> CreatedWebhook:
    caller = identity.required(http.caller(app))

    def create() -> CreatedWebhook:
        return service.create(caller, webhook, idempotency.key_of(app))

    return idempotency.once(app, caller, create, CreatedWebhook)


lambda_handler = http.handler(app, scope="write")
