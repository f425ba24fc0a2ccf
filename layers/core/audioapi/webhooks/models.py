"""A webhook, the deliveries to it, and what callers see of both."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from audioapi.clock import iso_ms
from audioapi.webhooks import targets


class EventType(StrEnum):
    """What a webhook can hear of; docs/webhooks.md tells what each one carries."""

    RECORDING_COMPLETED = "recording.completed"
    RECORDING_FAILED = "recording.failed"
    SESSION_COMPLETED = "session.completed"
    SESSION_FAILED = "session.failed"


class DeliveryStatus(StrEnum):
    """PENDING → DELIVERED or FAILED; a replay makes it PENDING again."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Webhook(BaseModel):
    """A webhook as it is kept. Times are epoch milliseconds; `request` names the one that made it,
    None if that had no Idempotency-Key.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    organization_id: str
    user_id: str
    url: str
    events: list[EventType]
    description: str
    secret: str
    created_at: int
    disabled_at: int | None = None
    request: str | None = None


class Attempt(BaseModel):
    """One request to a webhook: when it was made (epoch milliseconds), and what came of it."""

    model_config = ConfigDict(frozen=True)

    at: int
    duration_ms: int
    status_code: int | None = None
    error: str | None = None


class Delivery(BaseModel):
    """An event on its way to one webhook, as it is kept.

    `body` is what is sent, byte by byte the same each time. `replays` counts the rounds of
    attempts: a message of an earlier round has nothing to do any more. `tries` counts the failed
    attempts of this round. `next_attempt_at` lies ahead while an attempt is under way, too.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    webhook_id: str
    event_id: str
    type: EventType
    body: str
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: list[Attempt] = []
    tries: int = 0
    replays: int = 0
    next_attempt_at: int


class NewWebhook(BaseModel):
    """What a caller asks for."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(max_length=targets.MAX_URL_LENGTH)]
    events: Annotated[list[EventType], Field(min_length=1)] = list(EventType)
    description: Annotated[str, Field(max_length=200)] = ""


class WebhookInfo(BaseModel):
    """A webhook as its caller sees it. Times are ISO 8601 in UTC."""

    id: str
    url: str
    events: list[EventType]
    description: str
    created_at: str
    disabled_at: str | None

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookInfo:
        return cls(**_shown(webhook))


class CreatedWebhook(WebhookInfo):
    """The same with the secret, which is told this once."""

    secret: str

    @classmethod
    def of(cls, webhook: Webhook) -> CreatedWebhook:
        return cls(**_shown(webhook), secret=webhook.secret)


class MadeWebhook(BaseModel):
    """What is kept of the answer to a request: the secret would outlive its webhook."""

    id: str


class WebhookList(BaseModel):
    """All of a caller's webhooks, oldest first."""

    webhooks: list[WebhookInfo]


class DeletedWebhook(BaseModel):
    message: str = "Webhook deleted"


class AttemptInfo(BaseModel):
    at: str
    duration_ms: int
    status_code: int | None
    error: str | None


class DeliveryInfo(BaseModel):
    """A delivery as its caller sees it. Times are ISO 8601 in UTC."""

    id: str
    event_id: str
    type: EventType
    status: DeliveryStatus
    attempts: list[AttemptInfo]
    next_attempt_at: str | None
    payload: dict[str, Any]

    @classmethod
    def of(cls, delivery: Delivery) -> DeliveryInfo:
        pending = delivery.status is DeliveryStatus.PENDING
        return cls(
            **delivery.model_dump(include={"id", "event_id", "type", "status"}),
            attempts=[
                AttemptInfo(**{**made.model_dump(), "at": iso_ms(made.at)})
                for made in delivery.attempts
            ],
            next_attempt_at=iso_ms(delivery.next_attempt_at) if pending else None,
            payload=json.loads(delivery.body),
        )


class DeliveryPage(BaseModel):
    """One page of a webhook's deliveries, newest first."""

    deliveries: list[DeliveryInfo]
    next_cursor: str | None


def _shown(webhook: Webhook) -> dict[str, Any]:
    return {
        **webhook.model_dump(include={"id", "url", "events", "description"}),
        "created_at": iso_ms(webhook.created_at),
        "disabled_at": None if webhook.disabled_at is None else iso_ms(webhook.disabled_at),
    }
