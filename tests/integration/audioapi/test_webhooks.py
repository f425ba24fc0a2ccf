"""A caller's webhooks are made, listed, looked into and removed, by nobody else."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from audioapi import identity, settings
from audioapi.identity import Principal
from audioapi.webhooks import ids, store, targets
from tests.integration.audioapi.sessions import received
from tests.integration.audioapi.webhook_calls import Clock, Queue, call, create, log

if TYPE_CHECKING:
    from local.template.model import Stack

ALICE = Principal("alice", "acme")
URL = "https://127.0.0.1:8443/audio-events?token=very-secret"
ALL = ["recording.completed", "recording.failed", "session.completed", "session.failed"]
NOT_THERE = "wh_00aaaaaaaaaaaaaaaaaaaaaaaa"


@pytest.fixture(autouse=True)
def _callers(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOW_PRIVATE_WEBHOOKS", "true")
    settings.webhooks.cache_clear()
    identity.put_api_key("dev-key", ALICE)
    identity.put_api_key("bob", Principal("bob", "acme"))
    identity.put_api_key("other", Principal("alice", "globex"))
    identity.put_api_key("reader", Principal("alice", "acme", ("read",)))
    identity.put_api_key("writer", Principal("alice", "acme", ("write",)))


@pytest.fixture
def no_private(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is deployed."""
    monkeypatch.setenv("ALLOW_PRIVATE_WEBHOOKS", "false")
    settings.webhooks.cache_clear()


def delivered(webhook: Any, count: int = 1) -> list[Any]:
    """Deliveries to a webhook, made and waiting."""
    clock = Clock()
    for number in range(count):
        clock.now += 1
        message = {
            "type": "event",
            "organization_id": "acme",
            "user_id": "alice",
            "event_type": "recording.completed",
            "data": {"number": number},
            "event_id": f"evt_{number}",
            "at": clock.now,
        }
        queue = Queue(clock)
        queue.put(message)
        queue.give(0)
    received("WebhooksQueue")
    return log(webhook["id"])


def test_a_webhook_tells_its_secret_once() -> None:
    made = create(URL, events=["session.failed"], description="The archive")
    secret = made.pop("secret")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
    assert made["url"] == URL
    assert made["events"] == ["session.failed"]
    assert made["description"] == "The archive"
    assert made["disabled_at"] is None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", made["created_at"])
    answer = call("list")
    assert (answer.status, answer.body) == (200, {"webhooks": [made]})


def test_without_a_choice_it_hears_of_everything() -> None:
    made = create(URL)
    assert (made["events"], made["description"]) == (ALL, "")


def test_webhooks_are_listed_in_their_order() -> None:
    first, second, third = (create(URL)["id"] for _ in range(3))
    assert call("delete", first).status == 200
    fourth = create(URL)["id"]
    listed = [webhook["id"] for webhook in call("list").body["webhooks"]]
    assert listed == [second, third, fourth]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{", None),
        ("[]", None),
        ({}, "url"),
        ({"url": 7}, "url"),
        ({"url": ""}, "url"),
        ({"url": "https://127.0.0.1/" + "a" * 2048}, "url"),
        ({"url": "ftp://127.0.0.1/"}, "url"),
        ({"url": "https://a:b@127.0.0.1/"}, "url"),
        ({"url": "https://127.0.0.1/#x"}, "url"),
        ({"url": "https://127.0.0.1:22/"}, "url"),
        ({"url": URL, "events": []}, "events"),
        ({"url": URL, "events": "recording.completed"}, "events"),
        ({"url": URL, "events": ["recording.started"]}, "events.0"),
        ({"url": URL, "description": "x" * 201}, "description"),
        ({"url": URL, "secret": "whsec_mine"}, "secret"),
    ],
)
def test_a_request_that_is_wrong_is_told_where(body: object, field: str | None) -> None:
    answer = call("create", body=body)
    assert (answer.status, answer.body["code"]) == (422, "INVALID_REQUEST")
    if field is not None:
        assert answer.body["field"] == field
    assert call("list").body == {"webhooks": []}


def test_an_unknown_event_is_answered_with_those_there_are() -> None:
    detail = call("create", body={"url": URL, "events": ["x"]}).body["detail"]
    assert all(event in detail for event in ALL)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://127.0.0.1/", "public addresses only"),
        ("https://169.254.169.254/latest/meta-data/", "public addresses only"),
        ("https://[::1]/", "public addresses only"),
        ("https://[::ffff:127.0.0.1]/", "public addresses only"),
        ("https://2130706433/", "public addresses only"),
        ("http://1.1.1.1/", "must begin with https://"),
    ],
)
def test_deployed_only_public_addresses_are_taken(no_private: None, url: str, reason: str) -> None:
    answer = call("create", body={"url": url})
    assert (answer.status, answer.body["field"]) == (422, "url")
    assert reason in answer.body["detail"]


def test_a_name_server_that_takes_its_time_is_worth_another_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slow(*_: object, **__: object) -> list[str]:
        raise TimeoutError

    monkeypatch.setattr(targets, "resolve", slow)
    answer = call("create", body={"url": URL})
    assert (answer.status, answer.body["code"]) == (503, "UNAVAILABLE")


def test_as_many_as_may_be_even_if_all_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store, "webhooks", lambda *_: [])  # as each sees it who looks before all
        made = {create(URL)["id"] for _ in range(store.SLOTS)}
        assert len(made) == store.SLOTS
        assert call("create", body={"url": URL}).status == 429
    answer = call("create", body={"url": URL})
    assert (answer.status, answer.body["code"]) == (429, "LIMIT_EXCEEDED")
    assert (answer.body["limit"], answer.body["value"]) == ("WEBHOOKS_PER_CALLER", 20)
    call("delete", call("list").body["webhooks"][7]["id"])
    assert call("create", body={"url": URL}).status == 201
    assert call("create", body={"url": URL}, key="bob").status == 201


def test_a_deleted_webhook_is_gone() -> None:
    webhook_id = create(URL)["id"]
    answer = call("delete", webhook_id)
    assert (answer.status, answer.body) == (200, {"message": "Webhook deleted"})
    for function in ("delete", "deliveries"):
        assert call(function, webhook_id).status == 404


def test_the_next_webhook_in_its_place_is_another() -> None:
    old = create(URL)
    call("delete", old["id"])
    new = create(URL)
    assert ids.slot(new["id"]) == ids.slot(old["id"])
    assert call("delete", old["id"]).status == 404
    assert call("deliveries", new["id"]).status == 200


@pytest.mark.parametrize("key", ["bob", "other"])
def test_somebody_elses_webhook_is_one_that_is_not_there(key: str) -> None:
    webhook = create(URL)
    [delivery] = delivered(webhook)
    assert call("list", key=key).body == {"webhooks": []}
    for function, more in (("delete", []), ("deliveries", []), ("replay", [delivery["id"]])):
        theirs = call(function, webhook["id"], *more, key=key)
        missing = call(function, NOT_THERE, *more, key=key)
        assert theirs == missing
        assert (theirs.status, theirs.body["code"]) == (404, "NOT_FOUND")
        assert theirs.body["detail"] == "Webhook not found"
    assert len(log(webhook["id"])) == 1


def test_tenants_whose_names_run_together_stay_apart() -> None:
    identity.put_api_key("one", Principal("b#c", "a"))
    identity.put_api_key("two", Principal("c", "a#b"))
    call("create", body={"url": URL}, key="one")
    assert call("list", key="two").body == {"webhooks": []}


@pytest.mark.parametrize(
    "webhook_id", ["x", "wh_", "wh_99" + "a" * 24, "wh_\u0660\u0660" + "a" * 24]
)
def test_an_id_that_is_none(webhook_id: str) -> None:
    for function in ("delete", "deliveries", "replay"):
        assert call(function, webhook_id, "dlv_1").status == 404


@pytest.mark.parametrize("delivery_id", ["x", "dlv_" + "0" * 32])
def test_a_delivery_that_is_not_there(delivery_id: str) -> None:
    answer = call("replay", create(URL)["id"], delivery_id)
    assert (answer.status, answer.body["detail"]) == (404, "Delivery not found")


@pytest.mark.parametrize("function", ["create", "list", "delete", "deliveries", "replay"])
def test_nothing_goes_without_a_key(function: str) -> None:
    for key in (None, "unknown"):
        assert call(function, key=key).status == 401


@pytest.mark.parametrize(
    ("function", "key"),
    [
        ("create", "reader"),
        ("delete", "reader"),
        ("replay", "reader"),
        ("list", "writer"),
        ("deliveries", "writer"),
    ],
)
def test_a_key_must_have_the_scope(function: str, key: str) -> None:
    answer = call(function, key=key, body={"url": URL} if function == "create" else None)
    assert (answer.status, answer.body["code"]) == (403, "FORBIDDEN")


def test_deliveries_are_paged_newest_first() -> None:
    webhook = create(URL)
    delivered(webhook, 5)
    pages, cursor = [], None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = call("deliveries", webhook["id"], query=query).body
        pages.append([found["payload"]["data"]["number"] for found in page["deliveries"]])
        if not (cursor := page["next_cursor"]):
            break
    assert pages == [[4, 3], [2, 1], [0]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "ZGx2XzE="}, "cursor"),
        ({"cursor": "é"}, "cursor"),
    ],
)
def test_a_page_that_is_none(query: dict[str, str], field: str) -> None:
    answer = call("deliveries", create(URL)["id"], query=query)
    assert (answer.status, answer.body["field"]) == (422, field)


def test_no_secret_outlives_its_webhook(stack: Stack) -> None:
    body = {"url": URL}
    first = call("create", body=body, idempotency_key="17")
    assert call("create", body=body, idempotency_key="17").body == first.body
    assert call("delete", first.body["id"]).status == 200
    again = call("create", body=body, idempotency_key="17")
    assert (again.status, again.body["code"]) == (404, "NOT_FOUND")
    kept = [
        boto3.client("dynamodb").scan(TableName=stack.resources[table].properties["TableName"])
        for table in ("IdempotencyTable", "WebhooksTable")
    ]
    assert first.body["secret"] not in json.dumps(kept, default=str)


def test_a_replay_is_one_however_often_it_is_asked_for_with_one_key() -> None:
    webhook = create(URL)
    [delivery] = delivered(webhook)
    for _ in range(2):
        answer = call("replay", webhook["id"], delivery["id"], idempotency_key="17")
        assert answer.status == 202
        assert (answer.body["id"], answer.body["status"]) == (delivery["id"], "pending")
        assert answer.body["event_id"] == delivery["event_id"]
    [message] = received("WebhooksQueue")
    assert (message["delivery_id"], message["replays"]) == (delivery["id"], 1)


def test_what_is_kept_ends_after_thirty_days(stack: Stack) -> None:
    [delivery] = delivered(create(URL))
    begun = store.first_heard("evt_0", at=0)
    table = stack.resources["WebhooksTable"].properties["TableName"]
    items = boto3.client("dynamodb").scan(TableName=table)["Items"]
    ends = {item["sk"]["S"].partition("#")[0]: item.get("ttl", {}).get("N") for item in items}
    later = str(begun // 1000 + 30 * 24 * 3600)
    assert ends == {"webhook": None, "event": later, "delivery": later}
    assert delivery["status"] == "pending"
