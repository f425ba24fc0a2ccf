"""What callers do with webhooks, and how the rest of the system tells what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioapi import queues, settings
from audioapi.clock import now_ms
from audioapi.observe import logger
from audioapi.problems import (
    ConflictError,
    LimitExceededError,
    NotFoundError,
    UnavailableError,
    UnprocessableError,
)
from audioapi.webhooks import ids, signature, store, targets
from audioapi.webhooks.models import (
    CreatedWebhook,
    DeletedWebhook,
    Delivery,
    DeliveryInfo,
    DeliveryPage,
    EventType,
    MadeWebhook,
    NewWebhook,
    Webhook,
    WebhookInfo,
    WebhookList,
)

if TYPE_CHECKING:
    from audioapi.identity import Principal

_RESOLVE_SECONDS = 5.0


def announce(
    organization_id: str, user_id: str, event_type: str, data: dict[str, Any], *, about: str
) -> None:
    """Tells the caller's webhooks what became of the caller's work, an EventType. What happens
    `about` something happens once: told twice, within 30 days, it is delivered once.
    """
    event_id = ids.event(organization_id, user_id, f"{about} {event_type}")
    message = {
        "type": "event",
        "organization_id": organization_id,
        "user_id": user_id,
        "event_type": EventType(event_type),
        "data": data,
        "event_id": event_id,
        "at": now_ms(),
    }
    queues.send(settings.webhooks().webhooks_queue_url, message)
    logger.info("event announced", event_type=event_type, event_id=event_id)


def create(
    caller: Principal, wanted: NewWebhook, idempotency_key: str | None = None
) -> CreatedWebhook:
    """A new webhook; the same one for a request that comes again with its key within a day.

    Raises UnprocessableError for a URL that a webhook may not have, LimitExceededError if the
    caller has as many as may be, UnavailableError if the URL's host can't be looked up in time.
    """
    caller.require("write")
    _check_url(wanted.url)
    new = Webhook(
        **wanted.model_dump(),
        id="",  # the store's choice
        organization_id=caller.organization_id,
        user_id=caller.user_id,
        secret=signature.new_secret(),
        created_at=now_ms(),
        request=idempotency_key and ids.request(idempotency_key, wanted.model_dump_json()),
    )
    try:
        return CreatedWebhook.of(store.add(new))
    except store.NoSlotError as error:
        raise LimitExceededError("WEBHOOKS_PER_CALLER", store.SLOTS) from error


def created(caller: Principal, made: MadeWebhook) -> CreatedWebhook:
    """Raises NotFoundError if it was deleted since."""
    return CreatedWebhook.of(_visible(caller, made.id))


def own_webhooks(caller: Principal) -> WebhookList:
    """The caller's webhooks, oldest first."""
    caller.require("read")
    found = store.webhooks(caller.organization_id, caller.user_id)
    return WebhookList(webhooks=[WebhookInfo.of(webhook) for webhook in found])


def delete(caller: Principal, webhook_id: str) -> DeletedWebhook:
    """What is still on its way to it is not sent any more."""
    caller.require("write")
    if not store.remove(_visible(caller, webhook_id)):
        raise _missing_webhook()
    return DeletedWebhook()


def deliveries(
    caller: Principal, webhook_id: str, *, limit: int, cursor: str | None
) -> DeliveryPage:
    """What was sent or is to be sent to a webhook in the last 30 days, newest first."""
    caller.require("read")
    webhook = _visible(caller, webhook_id)
    try:
        page, following = store.deliveries(webhook.id, limit=limit, cursor=cursor)
    except ValueError as error:
        raise UnprocessableError(
            "cursor must be a next_cursor of an earlier page", field="cursor"
        ) from error
    return DeliveryPage(deliveries=[DeliveryInfo.of(d) for d in page], next_cursor=following)


def replay(caller: Principal, webhook_id: str, delivery_id: str) -> DeliveryInfo:
    """Sends a delivery again, at once and with all its attempts, whatever became of it before."""
    caller.require("write")
    webhook = _visible(caller, webhook_id)
    found = store.delivery(webhook.id, delivery_id)
    if found is None:
        raise NotFoundError("Delivery not found")
    if webhook.disabled_at is not None:
        raise ConflictError("The webhook is disabled, as its address answered 410 Gone")
    # First the message, which begins the round itself if we don't come to it.
    send(webhook, found.model_copy(update={"replays": found.replays + 1}))
    return DeliveryInfo.of(begun(found))


def begun(before: Delivery) -> Delivery:
    """A delivery's next round of attempts, begun by us or by somebody else just now."""
    begun_now = store.replay(before, now=now_ms())
    return begun_now or store.delivery(before.webhook_id, before.id) or before


def send(webhook: Webhook, delivery: Delivery) -> None:
    """Has a delivery's round of attempts made. May be sent twice: there is one round still."""
    queues.send(
        settings.webhooks().webhooks_queue_url,
        {
            "type": "delivery",
            "organization_id": webhook.organization_id,
            "user_id": webhook.user_id,
            "webhook_id": webhook.id,
            "delivery_id": delivery.id,
            "replays": delivery.replays,
        },
    )


def _check_url(url: str) -> None:
    private_allowed = settings.webhooks().allow_private_webhooks
    try:
        target = targets.parse(url, private_allowed=private_allowed)
        targets.resolve(target, private_allowed=private_allowed, seconds=_RESOLVE_SECONDS)
    except targets.TargetError as error:
        raise UnprocessableError(f"url: {error}", field="url") from error
    except TimeoutError as error:
        raise UnavailableError("url: the host could not be looked up in time") from error


def _visible(caller: Principal, webhook_id: str) -> Webhook:
    """Raises NotFoundError for an unknown webhook and for one of somebody else's alike."""
    found = store.webhook(caller.organization_id, caller.user_id, webhook_id)
    if found is None:
        raise _missing_webhook()
    return found


def _missing_webhook() -> NotFoundError:
    return NotFoundError("Webhook not found")
