"""What callers ask of processing: every answer that its two routes give."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError

from audioapi import identity, queues, settings, tables
from audioapi.clock import now_ms
from audioapi.identity import Principal
from audioapi.processing import service
from tests.integration.audioapi.processing_calls import (
    Answer,
    ask_for_processing,
    ask_for_task,
    kept,
    started,
)
from tests.integration.audioapi.sessions import received

if TYPE_CHECKING:
    from local.template.model import Stack

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def _callers(stack: Stack) -> None:
    identity.put_api_key("dev-key", Principal("dev-user", "acme-corp"))
    identity.put_api_key("others-key", Principal("dev-user", "other-corp"))
    identity.put_api_key("bobs-key", Principal("bob", "acme-corp"))
    identity.put_api_key("reading-key", Principal("dev-user", "acme-corp", ("read",)))
    identity.put_api_key("writing-key", Principal("dev-user", "acme-corp", ("write",)))


def rows() -> list[dict[str, Any]]:
    table = settings.processing().tasks_table
    return [tables.unmarshal(item) for item in tables.client().scan(TableName=table)["Items"]]


def refused(answer: Answer, status: int, code: str) -> str:
    """The detail of a refusal that left nothing behind."""
    assert (answer.status, answer.body["code"]) == (status, code)
    assert rows() == []
    assert received("JobsQueue") == []
    detail: str = answer.body["detail"]
    return detail


def test_a_request_whose_first_answer_was_never_kept_begins_one_task() -> None:
    """It was killed between the two writes; or when the task was there, and not queued yet."""
    asked: Any = {
        "file_id": "1",
        "extension": "m4a",
        "file_name": None,
        "idempotency_key": "key",
        "now": now_ms(),
    }
    caller = Principal("dev-user", "acme-corp")
    first = service.start(caller, "dev-user", **asked)
    assert service.start(caller, "dev-user", **asked) == first
    assert received("JobsQueue") == 2 * [{"type": "process_recording", "task_id": first.task_id}]
    others = [
        service.start(caller, "dev-user", **asked | {"idempotency_key": "other"}),
        service.start(caller, "dev-user", **asked | {"file_id": "2"}),
        service.start(Principal("dev-user", "other-corp"), "dev-user", **asked),
    ]
    assert len({first.task_id, *(other.task_id for other in others)}) == 4


def test_a_recording_is_queued_and_its_task_can_be_asked_for() -> None:
    answer = ask_for_processing(file_id="67890")
    task_id = answer.body["task_id"]
    assert answer == Answer(
        200, {"message": "Audio processing started in the background", "task_id": task_id}
    )
    assert received("JobsQueue") == [{"type": "process_recording", "task_id": task_id}]
    assert kept(task_id).key == "recordings/acme-corp/dev-user/67890.m4a"

    seen = ask_for_task(task_id)
    assert seen.status == 200
    created, updated = seen.body.pop("created_at"), seen.body.pop("updated_at")
    assert created == updated
    assert created.endswith("Z")
    assert seen.body == {
        "task_id": task_id,
        "status": "PENDING",
        "file_id": "67890",
        "result": None,
        "error": None,
        "progress": {"phase": "queued", "transcript_parts": 0, "transcript_parts_done": 0},
        "attempts": 0,
    }


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"file_id": "a1", "file_extension": "webm"}, "a1.webm"),
        ({"file_name": "Besprechung am Montag, 3½ h.mp3"}, "Besprechung am Montag, 3½ h.mp3"),
        ({"file_id": "wins", "file_name": "loses/../.mp3"}, "wins.m4a"),
        ({"file_id": "x" * 128}, "x" * 128 + ".m4a"),
    ],
)
def test_the_file_is_named_by_its_id_else_by_its_name(query: dict[str, str], name: str) -> None:
    assert kept(started(**query)).key == f"recordings/acme-corp/dev-user/{name}"


def test_no_users_id_leads_into_anothers_folder() -> None:
    identity.put_api_key("sly-key", Principal("bob+x@example.com", "acme-corp"))
    answer = ask_for_processing("bob+x@example.com", key="sly-key", file_id="1")
    key = kept(answer.body["task_id"]).key
    assert key == "recordings/acme-corp/bob%2Bx%40example.com/1.m4a"


def test_without_a_valid_key_nothing_is_told() -> None:
    for key in (None, "wrong-key"):
        refused(ask_for_processing(key=key, file_id="1"), 401, "INVALID_KEY")
        refused(ask_for_task(UNKNOWN, key=key), 401, "INVALID_KEY")


def test_a_key_may_only_do_what_it_is_for() -> None:
    refused(ask_for_processing(key="reading-key", file_id="1"), 403, "FORBIDDEN")
    refused(ask_for_task(UNKNOWN, key="writing-key"), 403, "FORBIDDEN")


def test_another_users_recordings_are_forbidden() -> None:
    assert "user_id" in refused(ask_for_processing("bob", file_id="1"), 403, "FORBIDDEN")


@pytest.mark.parametrize(
    ("query", "field", "allowed"),
    [
        ({}, "file_id", "file_name"),
        ({"file_id": "1", "file_extension": "exe"}, "file_extension", "'m4a', 'mp3', 'wav'"),
        ({"file_id": "1", "file_extension": ""}, "file_extension", "'m4a', 'mp3', 'wav'"),
        ({"file_id": ""}, "file_id", "1 to 128"),
        ({"file_id": "x" * 129}, "file_id", "1 to 128"),
        ({"file_id": "../bob/1"}, "file_id", "1 to 128"),
        ({"file_id": ".."}, "file_id", "not beginning with '.'"),
        ({"file_id": "a b"}, "file_id", "1 to 128"),
        ({"file_name": ""}, "file_name", "1 to 255"),
        ({"file_name": ".."}, "file_name", "'..'"),
        ({"file_name": "../bob/1.mp3"}, "file_name", "no '/'"),
        ({"file_name": "a\\b.mp3"}, "file_name", "'\\'"),
        ({"file_name": "a\x00.mp3"}, "file_name", "control"),
        ({"file_name": "a\n.mp3"}, "file_name", "control"),
        ({"file_name": "x" * 256}, "file_name", "1 to 255"),
        ({"file_name": "𝄞" * 255}, "file_name", "too long"),
    ],
)
def test_a_malformed_request_names_the_field_and_what_is_allowed(
    query: dict[str, str], field: str, allowed: str
) -> None:
    answer = ask_for_processing(**query)
    assert allowed in refused(answer, 422, "INVALID_REQUEST")
    assert answer.body["field"] == field


def test_tasks_of_others_unknown_ones_and_nonsense_are_one_answer() -> None:
    task_id = started(file_id="1")
    answers = [
        ask_for_task(task_id, key="others-key"),
        ask_for_task(task_id, key="bobs-key"),
        ask_for_task(UNKNOWN),
        ask_for_task("nonsense"),
        ask_for_task("x" * 5000),
        ask_for_task(task_id.upper()),
    ]
    assert {answer.status for answer in answers} == {404}
    for answer in answers:
        del answer.body["task_id"]
    assert all(answer.body == answers[0].body for answer in answers)
    assert answers[0].body["code"] == "TASK_NOT_FOUND"
    assert ask_for_task(task_id).status == 200


def test_an_expired_task_is_gone_before_dynamodb_removes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task_id = started(file_id="1")
    later = time.time() + 30 * 24 * 3600 + 1
    monkeypatch.setattr("audioapi.processing.store.time.time", lambda: later)
    assert ask_for_task(task_id).status == 404


def test_a_queue_that_refuses_is_a_500_and_leaves_no_task(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://sqs.us-east-1.amazonaws.com")

    with monkeypatch.context() as patch:
        patch.setattr(queues, "send", refuse)
        answer = ask_for_processing(file_id="1", idempotency_key="k1")
    detail = refused(answer, 500, "INTERNAL_ERROR")
    assert detail == "The task could not be queued, and was not started"
    assert ask_for_processing(file_id="1", idempotency_key="k1").status == 200


def test_a_request_that_is_sent_again_with_its_key_starts_one_task() -> None:
    first = ask_for_processing(file_id="1", idempotency_key="k1")
    assert ask_for_processing(file_id="1", idempotency_key="k1") == first
    assert len(received("JobsQueue")) == len(rows()) == 1
    other = ask_for_processing(file_id="2", idempotency_key="k1")
    assert (other.status, other.body["field"]) == (422, "Idempotency-Key")
    assert ask_for_processing(file_id="1", idempotency_key="k2").body != first.body
