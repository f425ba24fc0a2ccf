"""`GET /webhooks/{webhook_id}/deliveries`: what was sent there and what came of it, in pages."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from audioapi import http, identity, settings
from audioapi.webhooks import service
from audioapi.webhooks.models import DeliveryPage

settings.webhooks()
app = http.resolver()


@app.get("/webhooks/<webhook_id>/deliveries")
def list_deliveries(
    webhook_id: str,
    limit: Annotated[int, Query(ge=1, le=100, description="Deliveries on a page")] = 20,
    cursor: Annotated[str | None, Query(description="next_cursor of the page before")] = None,
) -> DeliveryPage:
    caller = identity.required(http.caller(app))
    return service.deliveries(caller, webhook_id, limit=limit, cursor=cursor)


lambda_handler = http.handler(app, scope="read")
