"""A request that comes again with its Idempotency-Key is answered again, not carried out twice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import boto3
import pytest

from audioapi import idempotency, identity, settings
from audioapi.identity import Principal
from audioapi.webhooks import service
from tests.integration.audioapi import webhook_calls
from tests.integration.audioapi.functions import loaded
from tests.integration.audioapi.webhook_calls import Answer, PatientContext, call

if TYPE_CHECKING:
    from local.template.model import Stack

URL = "https://127.0.0.1:8443/audio-events"


@pytest.fixture(autouse=True)
def _callers(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOW_PRIVATE_WEBHOOKS", "true")
    settings.webhooks.cache_clear()
    identity.put_api_key("dev-key", Principal("alice", "acme"))
    identity.put_api_key("second-key", Principal("alice", "acme"))
    identity.put_api_key("reader", Principal("alice", "acme", ("read",)))
    identity.put_api_key("bob", Principal("bob", "acme"))
    identity.put_api_key("other", Principal("alice", "globex"))


def create(idempotency_key: str, *, key: str | None = "dev-key", url: str = URL) -> Answer:
    return call("create", body={"url": url}, key=key, idempotency_key=idempotency_key)


def count() -> int:
    return len(call("list").body["webhooks"])


def test_the_same_request_has_the_same_answer_and_is_carried_out_once() -> None:
    first = create("17")
    assert first.status == 201
    assert create("17") == first
    assert count() == 1


def test_another_key_is_another_request() -> None:
    assert create("17").body["id"] != create("18").body["id"]
    assert count() == 2


def test_without_a_key_each_request_counts() -> None:
    for _ in range(2):
        assert call("create", body={"url": URL}).status == 201
    assert count() == 2


def test_a_key_belongs_to_its_caller() -> None:
    mine = create("17")
    for key in ("bob", "other"):
        theirs = create("17", key=key)
        assert theirs.status == 201
        assert theirs.body["secret"] != mine.body["secret"]


def test_whoever_may_not_ask_gets_no_answer_that_was_kept() -> None:
    create("17")
    answer = create("17", key="reader")
    assert (answer.status, answer.body["code"]) == (403, "FORBIDDEN")
    assert "secret" not in answer.body


def test_a_caller_may_have_changed_credentials_in_between() -> None:
    first = create("17")
    assert create("17", key="second-key") == first
    again = call(
        "create",
        body={"url": URL},
        key=None,
        query={"api_key": "second-key"},
        idempotency_key="17",
    )
    assert again == first


def test_a_key_with_another_request_is_refused() -> None:
    create("17")
    answer = create("17", url=URL + "/other")
    assert (answer.status, answer.body["code"]) == (422, "INVALID_REQUEST")
    assert answer.body["field"] == "Idempotency-Key"
    assert count() == 1


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256, "a\nb"])
def test_a_key_that_is_none(key: str) -> None:
    answer = create(key)
    assert (answer.status, answer.body["field"]) == (400, "Idempotency-Key")
    assert count() == 0


def test_keys_may_be_long() -> None:
    assert create("x" * 255).status == 201


def test_a_failure_is_not_kept() -> None:
    refused = create("17", url="ftp://example.com/")
    assert refused.status == 422
    assert create("17").status == 201


def test_an_unexpected_failure_is_not_kept_either(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(service, "create", lambda *_: 1 / 0)
        assert create("17").status == 500
    assert create("17").status == 201


def test_while_the_first_is_being_carried_out_the_second_has_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    during: list[Answer] = []
    work = service.create

    def and_meanwhile(*args: object) -> object:
        during.append(create("17"))
        return work(*args)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(service, "create", and_meanwhile)
    monkeypatch.setattr(webhook_calls, "app", loaded)  # an environment does one thing at a time
    first = create("17")
    [second] = during
    assert first.status == 201
    assert (second.status, second.body["code"]) == (409, "CONFLICT")
    assert second.headers["Retry-After"] == "1"
    assert create("17") == first


def test_a_function_that_died_blocks_its_key_no_longer_than_it_could_have_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PatientContext, "get_remaining_time_in_millis", staticmethod(lambda: -1))
    with monkeypatch.context() as patch:
        patch.setattr(service, "create", killed)
        with pytest.raises(KeyboardInterrupt):
            create("17")
    assert create("17").status == 201


def test_what_is_kept_names_neither_caller_nor_key_and_ends_in_a_day(stack: Stack) -> None:
    began = int(time.time())
    create("my-own-key")
    table = stack.resources["IdempotencyTable"].properties["TableName"]
    [item] = boto3.client("dynamodb").scan(TableName=table)["Items"]
    assert "my-own-key" not in str(item)
    assert "alice" not in str(item)
    assert int(item["expiration"]["N"]) - began == pytest.approx(idempotency.KEPT_SECONDS, abs=60)
