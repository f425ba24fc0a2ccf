"""Signatures are Standard Webhooks': its own vector, and its own library, agree with ours."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from audioapi.webhooks import ids, signature

BODY = '{"type":"recording.completed","data":{"title":"Grüße"}}'.encode()


def test_the_published_vector() -> None:
    headers = signature.headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        at=1614265330,
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_an_independent_library_takes_it_for_good() -> None:
    secret = signature.new_secret()
    headers = signature.headers(secret, "evt_1", BODY, at=int(time.time()))
    assert Webhook(secret).verify(BODY, headers)["data"] == {"title": "Grüße"}


@pytest.mark.parametrize("changed", ["body", "webhook-id", "webhook-timestamp", "secret"])
def test_whatever_is_changed_is_noticed(changed: str) -> None:
    now = int(time.time())
    secret = signature.new_secret()
    headers = signature.headers(secret, "evt_1", BODY, at=now)
    other = {"webhook-id": "evt_2", "webhook-timestamp": str(now + 1)}
    forged = {**headers, **({changed: other[changed]} if changed in other else {})}
    verifier = Webhook(signature.new_secret() if changed == "secret" else secret)
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        verifier.verify(BODY + b" " if changed == "body" else BODY, forged)


def test_secrets_are_long_random_and_marked() -> None:
    made = {signature.new_secret() for _ in range(100)}
    assert len(made) == 100
    for secret in made:
        prefix, _, encoded = secret.partition("_")
        assert prefix == "whsec"
        assert 24 <= len(base64.b64decode(encoded, validate=True)) <= 64


def test_ids_follow_from_what_they_name_and_hold_no_full_stop() -> None:
    event = ids.event("acme", "alice", "recording.completed/17")
    assert event == ids.event("acme", "alice", "recording.completed/17")
    assert "." not in event
    others = {
        ids.event("acme", "bob", "recording.completed/17"),
        ids.event("acme", "alice", "recording.completed/18"),
        ids.event('acme","alice', "x", "recording.completed/17"),
    }
    assert len(others | {event}) == 4


def test_deliveries_ids_sort_by_time() -> None:
    webhook = ids.new_webhook(7)
    times = [0, 999, 1795251600000, 1795251600001, 9999999999999]
    made = [ids.delivery(webhook, "evt_1", at=at) for at in times]
    assert made == sorted(made)
    assert all(ids.is_delivery(delivery) for delivery in made)
    assert ids.is_webhook(webhook)
    assert ids.slot(webhook) == 7
