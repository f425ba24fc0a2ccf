"""`POST /webhooks`: registers an address that is told when the caller's work is done."""

from __future__ import annotations

from http import HTTPStatus

from audioapi import http, idempotency, identity, settings
from audioapi.webhooks import service
from audioapi.webhooks.models import CreatedWebhook, MadeWebhook, NewWebhook

settings.webhooks()
settings.idempotency()
app = http.resolver()


@app.post("/webhooks", status_code=HTTPStatus.CREATED)
def create_webhook(webhook: NewWebhook) -> CreatedWebhook:
    caller = identity.required(http.caller(app))

    def create() -> MadeWebhook:
        return MadeWebhook(id=service.create(caller, webhook, idempotency.key_of(app)).id)

    return service.created(caller, idempotency.once(app, caller, create, MadeWebhook))


lambda_handler = http.handler(app, scope="write")
