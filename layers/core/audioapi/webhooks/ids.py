"""The ids of webhooks, events and deliveries, and what can be told from them."""

from __future__ import annotations

import hashlib
import json
import re
import secrets

_WEBHOOK = re.compile(r"wh_[0-9]{2}[0-9a-f]{24}")
_DELIVERY = re.compile(r"dlv_[0-9a-f]{32}")


def new_webhook(slot: int) -> str:
    """Tells its slot among the caller's webhooks, and so its key."""
    return f"wh_{slot:02d}{secrets.token_hex(12)}"


def slot(webhook_id: str) -> int:
    return int(webhook_id[3:5])


def is_webhook(text: str) -> bool:
    return _WEBHOOK.fullmatch(text) is not None


def request(key: str, wanted: str) -> str:
    """Names a request by its Idempotency-Key and what it asks for."""
    return f"req_{_digest(key, wanted)[:24]}"


def event(organization_id: str, user_id: str, happened: str) -> str:
    """The same for the same `happened`, nobody else's, and without a full stop, whatever that one
    holds: it is the `webhook-id` that is signed.
    """
    return f"evt_{_digest(organization_id, user_id, happened)[:24]}"


def delivery(webhook_id: str, event_id: str, *, at: int) -> str:
    """The same for the same three; sorts by `at`, epoch milliseconds."""
    return f"dlv_{at:012x}{_digest(webhook_id, event_id)[:20]}"


def is_delivery(text: str) -> bool:
    return _DELIVERY.fullmatch(text) is not None


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
