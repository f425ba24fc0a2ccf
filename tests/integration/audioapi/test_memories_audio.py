"""Where a memory's audio is: each path of the published API, and nothing of anybody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from audioapi import identity, objects
from audioapi.identity import Principal
from audioapi.memories import windows
from audioapi.memories.models import audio_key
from tests.audio import samples_of
from tests.integration.audioapi.functions import statements
from tests.integration.audioapi.memory_calls import (
    add,
    bucket,
    call,
    file,
    recording,
    remember,
    rows,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from audioapi.memories.models import Recording

ROUTES = pytest.mark.parametrize("path", ["/memories/audio", "/memories/audio-metadata"])


@pytest.fixture
def owner(database_secret: None) -> Principal:
    found = Principal(uuid4().hex, uuid4().hex)
    identity.put_api_key("key", found)
    return found


def ask(memory_id: str, *, key: str | None = "key", path: str = "/memories/audio") -> Any:
    return call("memories_audio", memory_id, key=key, path=path)


@ROUTES
def test_a_complete_memory_is_played(owner: Principal, path: str) -> None:
    recorded = recording(owner)
    samples = remember(recorded, seconds=1.5)
    answer = ask(recorded.session_id, path=path)
    assert answer.status == 200
    data = answer.body["data"]
    assert set(answer.body) == {"data"}
    assert set(data) == {"presigned_url", "duration_seconds", "processing_status"}
    assert (data["duration_seconds"], data["processing_status"]) == (1.5, "complete")
    url = urlsplit(data["presigned_url"])
    assert url.path == f"/sessions/{recorded.session_id}/window_000/audio.wav"
    assert parse_qs(url.query)["X-Amz-Expires"] == ["3600"]
    assert samples_of(file(recorded, 0)) == samples


@ROUTES
@pytest.mark.parametrize("status", ["pending", "failed"])
def test_what_is_not_complete_has_no_url(owner: Principal, path: str, status: str) -> None:
    recorded = recording(owner)
    windows.plan(recorded, seconds=12)
    if status == "failed":
        windows.fail(recorded)
    answer = ask(recorded.session_id, path=path)
    assert answer.status == 200
    assert answer.body["data"] == {
        "presigned_url": None,
        "duration_seconds": 12.0,
        "processing_status": status,
    }


@ROUTES
def test_a_request_without_a_memory_id_is_refused(owner: Principal, path: str) -> None:
    for memory_id in ('""', '" \\n\\t"', "null", "17", "true", '["17"]', '"\\ud800"'):
        answer = call("memories_audio", key="key", path=path, body=f'{{"memory_id": {memory_id}}}')
        assert (answer.status, answer.code) == (400, "INVALID_REQUEST"), memory_id
        assert answer.body["field"] == "memory_id"
    for body in ("{}", "[]", "null", '"17"', "{", "not JSON", ""):
        answer = call("memories_audio", key="key", path=path, body=body)
        assert (answer.status, answer.code) == (400, "INVALID_REQUEST"), body


@ROUTES
def test_an_unknown_memory_is_not_found(owner: Principal, path: str) -> None:
    for memory_id in ("nobody's", "nul\0", "'; --", "%", "é" * 9999):
        answer = ask(memory_id, path=path)
        assert (answer.status, answer.code) == (404, "MEMORY_NOT_FOUND"), memory_id
        assert answer.body["error"] == {"code": "MEMORY_NOT_FOUND", "message": "Memory not found"}


@ROUTES
def test_a_memory_without_a_window_of_a_session_has_no_audio(owner: Principal, path: str) -> None:
    links: list[dict[str, Any]] = [
        {},
        {"source_session_id": uuid4().hex},
        {"source_window_index": 0},
    ]
    for link in links:
        for status in ("pending", "complete", "failed"):
            answer = ask(add(owner, processing_status=status, **link), path=path)
            assert (answer.status, answer.code) == (404, "AUDIO_NOT_FOUND"), (link, status)


@ROUTES
def test_a_complete_memory_whose_object_is_gone_has_no_audio(owner: Principal, path: str) -> None:
    recorded = recording(owner)
    remember(recorded)
    objects.delete_many(bucket(), [audio_key(recorded.session_id, 0)])
    answer = ask(recorded.session_id, path=path)
    assert (answer.status, answer.code) == (404, "AUDIO_NOT_FOUND")


def test_a_missing_object_is_a_403_to_whoever_may_not_list(
    owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = recording(owner)
    remember(recorded)
    for said, status in ((403, 404), (404, 404), (503, 500)):
        response: Any = {"Error": {"Code": str(said)}, "ResponseMetadata": {"HTTPStatusCode": said}}
        failing = fail_with(ClientError(response, "HeadObject"))
        monkeypatch.setattr(objects.client(), "head_object", failing)
        assert ask(recorded.session_id).status == status


def fail_with(error: Exception) -> Callable[..., None]:
    def fail(**_: object) -> None:
        raise error

    return fail


def test_a_session_stands_for_its_first_window(owner: Principal) -> None:
    recorded = recording(owner)
    remember(recorded, seconds=31)
    assert ask(f"  {recorded.session_id}\n").body["data"]["duration_seconds"] == 30.0
    second = rows(recorded)[1].id
    found = ask(second).body["data"]
    assert found["duration_seconds"] == 1.0
    assert "/window_001/audio.wav?" in found["presigned_url"]


def test_windows_of_one_moment_go_by_their_ids(owner: Principal) -> None:
    session_id = uuid4().hex
    for id_, window in (("b", 0), ("a", 1)):
        add(
            owner,
            id=f"{id_}-{session_id}",
            source_session_id=session_id,
            source_window_index=window,
            duration_seconds=float(window),
            processing_status="pending",
        )
    assert ask(session_id).body["data"]["duration_seconds"] == 1.0


def test_a_session_comes_before_a_segment_of_the_same_id(owner: Principal) -> None:
    recorded = recording(owner)
    add(owner, id=recorded.session_id, duration_seconds=5.0)
    windows.plan(recorded, seconds=7)
    assert ask(recorded.session_id).body["data"]["duration_seconds"] == 7.0


@pytest.fixture
def others(owner: Principal) -> list[Recording]:
    """Of another user, and of another organisation's user of the same id."""
    strangers = [
        Principal(uuid4().hex, owner.organization_id),
        Principal(owner.user_id, uuid4().hex),
    ]
    made = [recording(stranger) for stranger in strangers]
    for recorded in made:
        remember(recorded)
    return made


def test_somebody_elses_memory_answers_as_a_missing_one(
    owner: Principal, others: list[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "exists", lambda *_: pytest.fail("S3 was asked"))
    with statements() as of_missing:
        missing = ask("nobody's")
    for recorded in others:
        for memory_id in (recorded.session_id, rows(recorded)[0].id):
            with statements() as asked:
                answer = ask(memory_id)
            assert answer == missing
            assert asked == of_missing
    assert len(of_missing) >= 2


@ROUTES
def test_a_caller_without_a_key_is_refused(owner: Principal, path: str) -> None:
    for key in (None, "another"):
        answer = ask("any", key=key, path=path)
        assert (answer.status, answer.code) == (401, "INVALID_KEY")


@ROUTES
def test_a_key_needs_the_scope_read(owner: Principal, path: str) -> None:
    writer = Principal(owner.user_id, owner.organization_id, ("write",))
    identity.put_api_key("writer", writer)
    answer = ask("any", key="writer", path=path)
    assert (answer.status, answer.code) == (403, "FORBIDDEN")
