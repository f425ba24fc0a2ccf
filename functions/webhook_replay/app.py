"""`POST /webhooks/{webhook_id}/deliveries/{delivery_id}/replay`: sends a delivery again."""

from __future__ import annotations

from http import HTTPStatus

from audioapi import http, idempotency, identity, settings
from audioapi.webhooks import service
from audioapi.webhooks.models import DeliveryInfo

settings.webhooks()
settings.idempotency()
app = http.resolver()


@app.post("/webhooks/<webhook_id>/deliveries/<delivery_id>/replay", status_code=HTTPStatus.ACCEPTED)
def replay_delivery(webhook_id: str, delivery_id: str) -> DeliveryInfo:
    caller = identity.required(http.caller(app))
    return idempotency.once(
        app, caller, lambda: service.replay(caller, webhook_id, delivery_id), DeliveryInfo
    )


lambda_handler = http.handler(app, scope="write")
