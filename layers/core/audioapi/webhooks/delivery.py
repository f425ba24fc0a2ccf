"""The webhooks queue: an event becomes a delivery for each webhook that wants it, and a delivery is
tried until it arrives or the schedule ends.

At least once: a function that dies between an attempt and its note makes the attempt again, with
the same `webhook-id`. Otherwise what has arrived is not sent again, however often SQS says so.
"""

from __future__ import annotations

import json
import random
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from audioapi import settings
from audioapi.clock import iso_ms, now_ms
from audioapi.jobs import RetryLaterError
from audioapi.observe import logger, measure
from audioapi.webhooks import ids, sender, service, signature, store
from audioapi.webhooks.models import Attempt, Delivery, DeliveryStatus, EventType, Webhook

if TYPE_CHECKING:
    from audioapi.webhooks.sender import Outcome

# Seconds from one failed attempt to the next. The specification's example goes on for three days,
# but SQS keeps a message invisible for 12 hours at most.
SCHEDULE = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
JITTER = 0.1  # up to a tenth earlier or later
ATTEMPT_SECONDS = 10.0
_CLAIM_MS = 90_000  # longer than the function's time-out: who holds a claim over time is dead


def fan_out(  # noqa: PLR0913 — an event's fields
    *,
    organization_id: str,
    user_id: str,
    event_type: str,
    data: dict[str, Any],
    event_id: str,
    at: int,
) -> None:
    """Makes a delivery for each of the caller's webhooks that wants the event, `at` epoch
    milliseconds, and has it sent.
    """
    logger.append_keys(event_id=event_id)
    heard_at = store.first_heard(event_id, at=at)
    kind = EventType(event_type)
    body = json.dumps({"type": kind, "timestamp": iso_ms(heard_at), "data": data})
    for webhook in store.webhooks(organization_id, user_id):
        if kind in webhook.events and webhook.disabled_at is None:
            new = Delivery(
                id=ids.delivery(webhook.id, event_id, at=heard_at),
                webhook_id=webhook.id,
                event_id=event_id,
                type=kind,
                body=body,
                next_attempt_at=heard_at,
            )
            store.add_delivery(new)
            service.send(webhook, new)
            logger.info("delivery made", webhook_id=webhook.id, delivery_id=new.id)


def deliver(
    *, organization_id: str, user_id: str, webhook_id: str, delivery_id: str, replays: int
) -> None:
    """Makes one attempt if one is due. Raises RetryLaterError if there may be another."""
    logger.append_keys(webhook_id=webhook_id, delivery_id=delivery_id)
    webhook = store.webhook(organization_id, user_id, webhook_id)
    kept = store.delivery(webhook_id, delivery_id)
    if webhook is None or kept is None:
        logger.info("the webhook or the delivery is gone")
        return
    logger.append_keys(event_id=kept.event_id)
    if kept.replays == replays - 1:  # who asked for it has died, or isn't that far
        kept = service.begun(kept)
    if kept.status is not DeliveryStatus.PENDING or kept.replays != replays:
        logger.info("nothing to do", status=kept.status)
        return
    _attempt(webhook, _claimed(kept))


def _claimed(kept: Delivery) -> Delivery:
    """The delivery, ours for an attempt; RetryLaterError if it isn't due or somebody else's."""
    now = now_ms()
    if now < kept.next_attempt_at:
        raise RetryLaterError((kept.next_attempt_at - now) / 1000)
    claimed = store.claim(kept, now=now, until=now + _CLAIM_MS)
    if claimed is None:
        raise RetryLaterError(ATTEMPT_SECONDS)
    return claimed


def _attempt(webhook: Webhook, claimed: Delivery) -> None:
    at, began = now_ms(), time.monotonic()
    outcome = _sent(webhook, claimed, at=at)
    attempt = Attempt(
        at=at,
        duration_ms=round((time.monotonic() - began) * 1000),
        status_code=outcome.status_code,
        error=outcome.error,
    )
    if outcome.delivered:
        store.delivered(claimed, attempt)
        logger.info("delivered", status_code=outcome.status_code)
        measure({"WebhooksDelivered": 1})
    else:
        logger.warning("not delivered", status_code=outcome.status_code, error=outcome.error)
        measure({"WebhooksNotDelivered": 1})
        _put_off(webhook, claimed, attempt, outcome)


def _sent(webhook: Webhook, claimed: Delivery, *, at: int) -> Outcome:
    if webhook.disabled_at is not None:
        return sender.Outcome(error="the webhook is disabled")
    body = claimed.body.encode()
    signed = signature.headers(webhook.secret, claimed.event_id, body, at=at // 1000)
    return sender.post(
        webhook.url,
        body,
        {**signed, "x-correlation-id": logger.get_correlation_id() or claimed.id},
        private_allowed=settings.webhooks().allow_private_webhooks,
        seconds=ATTEMPT_SECONDS,
    )


def _put_off(webhook: Webhook, claimed: Delivery, attempt: Attempt, outcome: Outcome) -> None:
    gone = outcome.status_code == HTTPStatus.GONE
    if gone:
        store.disable(webhook, now=attempt.at)
    last = gone or webhook.disabled_at is not None or claimed.tries == len(SCHEDULE)
    seconds = 0.0 if last else _delay(claimed.tries, outcome.retry_after)
    next_at = None if last else now_ms() + round(seconds * 1000)
    store.not_delivered(claimed, attempt, next_at=next_at)
    if not last:  # whoever has the message then finds out whether something is left to do
        raise RetryLaterError(seconds)


def _delay(tries: int, retry_after: int) -> float:
    """Seconds until the next attempt, later if the answer asked for that."""
    jittered = SCHEDULE[tries] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 — no secret
    return max(jittered, min(retry_after, SCHEDULE[-1]))
