"""What is kept of webhooks, events and deliveries, in one DynamoDB table.

| pk                  | sk                  |                                                    |
|---------------------|---------------------|----------------------------------------------------|
| `owner#[org, user]` | `webhook#{slot}`    | a webhook; there are as many slots as it may be    |
| `event#{event_id}`  | `event`             | when an event was first heard of                   |
| `webhook#{id}`      | `delivery#{id}`     | an event on its way there; ids sort by time        |
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from audioapi import idempotency, settings, tables, tenants
from audioapi.webhooks import ids
from audioapi.webhooks.models import Attempt, Delivery, DeliveryStatus, Webhook

if TYPE_CHECKING:
    from collections.abc import Mapping

SLOTS = 20
ATTEMPTS_KEPT = 50
_KEPT_SECONDS = 30 * 24 * 3600


class NoSlotError(Exception):
    """The caller has as many webhooks as there are slots."""


def add(webhook: Webhook) -> Webhook:
    """Keeps a new webhook in a free slot, with the id that goes with it; the one that the same
    request has made before, if it has. Raises NoSlotError if all slots are taken: other than a
    count, they need no second write that a crash could leave out.
    """
    taken: set[int] = set()
    while True:
        kept = webhooks(webhook.organization_id, webhook.user_id)
        if same := next((other for other in kept if _same_request(webhook, other)), None):
            return same
        taken |= {ids.slot(other.id) for other in kept}
        slot = next((slot for slot in range(SLOTS) if slot not in taken), None)
        if slot is None:
            raise NoSlotError
        placed = webhook.model_copy(update={"id": ids.new_webhook(slot)})
        if _put_new(_webhook_item(placed)):
            return placed
        taken.add(slot)


def _same_request(new: Webhook, kept: Webhook) -> bool:
    """Whether one request came twice: it makes one webhook, also if the first died before its
    answer was kept.
    """
    if new.request is None or new.request != kept.request:
        return False
    return idempotency.remembers(kept.created_at, now=new.created_at)


def webhooks(organization_id: str, user_id: str) -> list[Webhook]:
    """A caller's webhooks, oldest first."""
    found = tables.client().query(
        TableName=_table(),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=tables.marshal({":pk": _owner(organization_id, user_id)}),
        ConsistentRead=True,
    )
    kept = [Webhook.model_validate(tables.unmarshal(item)) for item in found["Items"]]
    return sorted(kept, key=lambda webhook: webhook.created_at)


def webhook(organization_id: str, user_id: str, webhook_id: str) -> Webhook | None:
    """The caller's webhook of this id; None if there is none, or if it is somebody else's."""
    if not ids.is_webhook(webhook_id):
        return None
    item = _get(_webhook_key(organization_id, user_id, webhook_id))
    return Webhook.model_validate(item) if item and item["id"] == webhook_id else None


def remove(webhook: Webhook) -> bool:
    """Whether it was still there."""
    key = _webhook_key(webhook.organization_id, webhook.user_id, webhook.id)
    try:
        tables.client().delete_item(
            TableName=_table(),
            Key=tables.marshal(key),
            ConditionExpression="id = :id",
            ExpressionAttributeValues=tables.marshal({":id": webhook.id}),
        )
    except ClientError as error:
        if tables.condition_failed(error):
            return False
        raise
    return True


def disable(webhook: Webhook, *, now: int) -> None:
    """Nothing is sent to it any more."""
    tables.update_if(
        _table(),
        _webhook_key(webhook.organization_id, webhook.user_id, webhook.id),
        "SET disabled_at = :now",
        "id = :id",
        {":now": now, ":id": webhook.id},
    )


def first_heard(event_id: str, *, at: int) -> int:
    """When an event was first heard of, which is now if it is new: whoever hears of it again makes
    the same deliveries of it.
    """
    key = {"pk": f"event#{event_id}", "sk": "event"}
    if _put_new({**key, "at": at, "ttl": at // 1000 + _KEPT_SECONDS}):
        return at
    known: int = (_get(key) or {"at": at})["at"]
    return known


def add_delivery(delivery: Delivery) -> None:
    """Keeps a new delivery; one that is kept already stays as it is."""
    ttl = delivery.next_attempt_at // 1000 + _KEPT_SECONDS
    key = _delivery_key(delivery.webhook_id, delivery.id)
    _put_new({**delivery.model_dump(), **key, "ttl": ttl})


def delivery(webhook_id: str, delivery_id: str) -> Delivery | None:
    if not ids.is_delivery(delivery_id):
        return None
    item = _get(_delivery_key(webhook_id, delivery_id))
    return Delivery.model_validate(item) if item else None


def deliveries(
    webhook_id: str, *, limit: int, cursor: str | None
) -> tuple[list[Delivery], str | None]:
    """A page of a webhook's deliveries, newest first, and the next one's cursor; ValueError for a
    cursor that is none.
    """
    start: Any = {}
    if cursor is not None:
        key = _delivery_key(webhook_id, _delivery_id_of(cursor))
        start = {"ExclusiveStartKey": tables.marshal(key)}
    page = tables.client().query(
        TableName=_table(),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=tables.marshal({":pk": f"webhook#{webhook_id}"}),
        ScanIndexForward=False,
        Limit=limit,
        **start,
    )
    found = [Delivery.model_validate(tables.unmarshal(item)) for item in page["Items"]]
    following = _cursor(found[-1].id) if "LastEvaluatedKey" in page else None
    return found, following


def claim(due: Delivery, *, now: int, until: int) -> Delivery | None:
    """Keeps an attempt to oneself `until` then; None if somebody else has it or it isn't due.

    Whoever crashes with it never says so: the next attempt is due when the time is over.
    """
    return _update(
        due,
        "SET next_attempt_at = :until",
        "#status = :pending AND replays = :replays AND next_attempt_at <= :now",
        {":until": until, ":now": now},
    )


def delivered(claimed: Delivery, attempt: Attempt) -> None:
    """What has arrived has arrived, whatever another attempt of this round has come to."""
    _update(
        claimed,
        "SET attempts = :attempts, #status = :delivered",
        "#status IN (:pending, :failed) AND replays = :replays",
        {
            ":attempts": _log(claimed, attempt),
            ":delivered": DeliveryStatus.DELIVERED,
            ":failed": DeliveryStatus.FAILED,
        },
    )


def not_delivered(claimed: Delivery, attempt: Attempt, *, next_at: int | None) -> bool:
    """Notes a failed attempt, the last one without a next; False if it isn't ours any more."""
    status = DeliveryStatus.FAILED if next_at is None else DeliveryStatus.PENDING
    noted = _update(
        claimed,
        "SET attempts = :attempts, #status = :status, tries = :tries, next_attempt_at = :next",
        "#status = :pending AND replays = :replays AND next_attempt_at = :claimed",
        {
            ":attempts": _log(claimed, attempt),
            ":status": status,
            ":tries": claimed.tries + 1,
            ":next": claimed.next_attempt_at if next_at is None else next_at,
            ":claimed": claimed.next_attempt_at,
        },
    )
    return noted is not None


def replay(again: Delivery, *, now: int) -> Delivery | None:
    """Begins a new round of attempts; None if somebody else began one just now."""
    return _update(
        again,
        "SET #status = :pending, next_attempt_at = :now, tries = :none, #ttl = :ttl "
        "ADD replays :one",
        "replays = :replays",
        {":now": now, ":none": 0, ":one": 1, ":ttl": now // 1000 + _KEPT_SECONDS},
        names={"#ttl": "ttl"},
    )


def _update(
    kept: Delivery,
    update: str,
    condition: str,
    values: Mapping[str, Any],
    names: Mapping[str, str] | None = None,
) -> Delivery | None:
    """Updates a delivery if the condition holds. The two use `:pending`, `:replays` and `#status`:
    DynamoDB refuses what is given and not used.
    """
    written = tables.update_if(
        _table(),
        _delivery_key(kept.webhook_id, kept.id),
        update,
        condition,
        {**values, ":pending": DeliveryStatus.PENDING, ":replays": kept.replays},
        names={"#status": "status", **(names or {})},
    )
    return None if written is None else Delivery.model_validate(written)


def _log(claimed: Delivery, attempt: Attempt) -> list[dict[str, Any]]:
    """The attempts with one more; an item has 400 KB at most, so only so many."""
    return [made.model_dump() for made in [*claimed.attempts, attempt][-ATTEMPTS_KEPT:]]


def _put_new(item: Mapping[str, Any]) -> bool:
    """Whether the key was free."""
    return tables.put_new(_table(), item, key="pk")


def _get(key: Mapping[str, str]) -> dict[str, Any]:
    """The item of a key, empty if there is none."""
    found = tables.client().get_item(
        TableName=_table(), Key=tables.marshal(key), ConsistentRead=True
    )
    return tables.unmarshal(found.get("Item", {}))


def _table() -> str:
    return settings.webhooks().webhooks_table


def _owner(organization_id: str, user_id: str) -> str:
    return f"owner#{tenants.key(organization_id, user_id)}"


def _webhook_key(organization_id: str, user_id: str, webhook_id: str) -> dict[str, str]:
    return {
        "pk": _owner(organization_id, user_id),
        "sk": f"webhook#{ids.slot(webhook_id):02d}",
    }


def _webhook_item(webhook: Webhook) -> dict[str, Any]:
    key = _webhook_key(webhook.organization_id, webhook.user_id, webhook.id)
    return {**webhook.model_dump(), **key}


def _delivery_key(webhook_id: str, delivery_id: str) -> dict[str, str]:
    return {"pk": f"webhook#{webhook_id}", "sk": f"delivery#{delivery_id}"}


def _cursor(delivery_id: str) -> str:
    return base64.urlsafe_b64encode(delivery_id.encode()).decode()


def _delivery_id_of(cursor: str) -> str:
    delivery_id = base64.urlsafe_b64decode(cursor.encode()).decode()
    if not ids.is_delivery(delivery_id):
        raise ValueError(cursor)
    return delivery_id
