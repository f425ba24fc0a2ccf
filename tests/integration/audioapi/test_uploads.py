"""A recording goes to S3 in parts: begun, sent, resumed, completed once, or aborted."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from audioapi import identity, objects
from audioapi.identity import Principal
from audioapi.uploads import parts, service, store
from audioapi.uploads.models import PART_SIZE, Status
from tests.integration.audioapi.upload_calls import (
    begin,
    bucket,
    call,
    kept,
    send,
    send_all,
    stored,
)

if TYPE_CHECKING:
    from local.template.model import Stack

SIZE = 2 * PART_SIZE + 4321
DATA = b"".join(hashlib.sha256(bytes([n])).digest() * (PART_SIZE // 32) for n in range(3))[:SIZE]
FOLDER = "recordings/acme-corp/dev-user"
FIRST = base64.b64encode(hashlib.sha256(DATA[:PART_SIZE]).digest()).decode()


@pytest.fixture(autouse=True)
def _caller(stack: Stack) -> None:
    identity.put_api_key("dev-key", Principal("dev-user", "acme-corp"))


def complete(upload_id: str) -> Any:
    answer = call("upload_complete", upload_id)
    assert answer.status == 200, answer.body
    return answer.body


def test_a_recording_arrives_in_parts_and_processing_finds_it() -> None:
    upload = begin(SIZE, file_name="Talk at noon.M4A", content_type="audio/mp4")
    assert (upload["part_size"], upload["part_count"]) == (PART_SIZE, 3)
    assert (upload["status"], upload["user_id"]) == ("uploading", "dev-user")
    assert (upload["file_name"], upload["file_extension"]) == ("Talk at noon.M4A", "m4a")

    send_all(upload["upload_id"], DATA)
    completed = complete(upload["upload_id"])

    assert completed == {**upload, "status": "completed"}
    key = f"{FOLDER}/{upload['file_id']}.m4a"
    assert stored(key) == DATA
    assert objects.client().head_object(Bucket=bucket(), Key=key)["ContentType"] == "audio/mp4"


def test_an_upload_ends_in_a_day() -> None:
    upload = kept(begin(SIZE)["upload_id"])
    assert upload.expires_at == pytest.approx(time.time() + 24 * 3600, abs=60)


def test_the_same_idempotency_key_begins_one_upload() -> None:
    body = {"file_name": "talk.wav", "file_size": SIZE}
    answers = [call("upload_create", body=body, idempotency_key="17") for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].body == answers[1].body


def test_an_address_takes_one_part_of_one_length_and_one_checksum() -> None:
    upload = begin(SIZE)
    wanted = [{"part_number": n, "checksum_sha256": FIRST} for n in (1, 3)]
    answer = call("upload_parts", upload["upload_id"], body={"parts": wanted})

    assert answer.status == 200
    first, last = answer.body["parts"]
    assert first["headers"] == {
        "content-length": str(PART_SIZE),
        "x-amz-checksum-sha256": FIRST,
    }
    assert last["headers"]["content-length"] == "4321"
    for part in (first, last):
        address = urlsplit(part["url"])
        query = parse_qs(address.query)
        assert query["X-Amz-SignedHeaders"] == ["content-length;host;x-amz-checksum-sha256"]
        assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
        assert query["X-Amz-Expires"] == ["3600"]
        assert query["partNumber"] == [str(part["part_number"])]
        assert query["uploadId"] == [kept(upload["upload_id"]).s3_upload_id]
        assert address.path.endswith(f"{FOLDER}/{upload['file_id']}.wav")


def test_what_has_arrived_is_told_for_a_resume() -> None:
    upload = begin(SIZE)
    for number in (3, 1):
        send(upload["upload_id"], number, DATA[(number - 1) * PART_SIZE :][:PART_SIZE])

    answer = call("upload_get", upload["upload_id"])

    assert answer.status == 200
    arrived = [
        {"part_number": 1, "size": PART_SIZE, "checksum_sha256": None},  # moto tells none
        {"part_number": 3, "size": 4321, "checksum_sha256": None},
    ]
    assert answer.body == {**upload, "received_parts": arrived}


@pytest.mark.usefixtures("own_clients")
def test_many_parts_are_listed_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    upload = kept(begin(SIZE)["upload_id"])
    s3 = objects.client()
    markers: list[object] = []

    def one_a_page(params: dict[str, Any], **_: object) -> None:
        markers.append(params.get("PartNumberMarker"))
        params["MaxParts"] = 1

    s3.meta.events.register("provide-client-params.s3.ListParts", one_a_page)
    send_all(upload.upload_id, DATA)
    assert [part.part_number for part in parts.received(upload)] == [1, 2, 3]
    assert len(markers) == 3


def test_parts_that_miss_or_are_short_are_named() -> None:
    upload_id = begin(SIZE)["upload_id"]
    send(upload_id, 2, DATA[:-1][:4000])
    send(upload_id, 3, DATA[2 * PART_SIZE :])

    answer = call("upload_complete", upload_id)

    assert (answer.status, answer.body["code"]) == (409, "CONFLICT")
    assert answer.body["missing_parts"] == [1, 2]
    assert answer.body["detail"] == "2 of 3 parts have not arrived whole"
    send_all(upload_id, DATA)
    assert complete(upload_id)["status"] == "completed"


@pytest.mark.usefixtures("own_clients")
def test_completing_passes_the_checksums_that_s3_has_on() -> None:
    """S3 wants each of them for an upload that was begun with checksums; moto lists none."""
    upload_id = begin(SIZE)["upload_id"]
    send_all(upload_id, DATA)
    asked: list[dict[str, Any]] = []

    def list_checksums(parsed: dict[str, Any], **_: object) -> None:
        for part in parsed["Parts"]:
            part["ChecksumSHA256"] = f"checksum-{part['PartNumber']}"

    events = objects.client().meta.events
    events.register("after-call.s3.ListParts", list_checksums)
    events.register(
        "provide-client-params.s3.CompleteMultipartUpload",
        lambda params, **_: asked.append(params),
    )
    complete(upload_id)

    [completion] = asked
    assert [part["ChecksumSHA256"] for part in completion["MultipartUpload"]["Parts"]] == [
        "checksum-1",
        "checksum-2",
        "checksum-3",
    ]
    assert (completion["IfNoneMatch"], completion["MpuObjectSize"]) == ("*", SIZE)


def test_completing_twice_gives_the_same() -> None:
    upload_id = begin(SIZE)["upload_id"]
    send_all(upload_id, DATA)
    assert complete(upload_id) == complete(upload_id)


def test_a_completion_that_crashed_after_s3s_is_completed_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload_id = begin(SIZE, file_id="noon")["upload_id"]
    send_all(upload_id, DATA)
    move = store.move

    def crash(upload_id: str, to: Status) -> Any:
        if to is Status.COMPLETED:
            raise MemoryError
        return move(upload_id, to)

    with monkeypatch.context() as crashing:
        crashing.setattr(store, "move", crash)
        assert call("upload_complete", upload_id).status == 500
    assert kept(upload_id).status is Status.COMPLETING
    assert call("upload_abort", upload_id).status == 409

    assert complete(upload_id)["status"] == "completed"
    assert stored(f"{FOLDER}/noon.wav") == DATA


def test_of_two_completions_at_once_both_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    upload_id = begin(SIZE)["upload_id"]
    send_all(upload_id, DATA)
    late = kept(upload_id)
    complete(upload_id)
    assert service.complete(late).status is Status.COMPLETED


@pytest.mark.parametrize("refusal", [parts.BusyError, parts.GoneError])
def test_a_second_completion_while_s3_is_at_the_first_has_its_outcome(
    monkeypatch: pytest.MonkeyPatch, refusal: type[Exception]
) -> None:
    upload_id = begin(SIZE)["upload_id"]
    send_all(upload_id, DATA)
    assemble, second = parts.assemble, []

    def take_long(*given: Any) -> None:
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(parts, "assemble", refuse)
            second.append(call("upload_complete", upload_id))
            second.append(call("upload_abort", upload_id))
        assemble(*given)

    def refuse(*_: Any) -> None:
        raise refusal

    monkeypatch.setattr(parts, "assemble", take_long)
    assert complete(upload_id)["status"] == "completed"
    again, abort = second
    assert (again.status, again.body["code"]) == (503, "UNAVAILABLE")
    assert abort.status == 409
    monkeypatch.setattr(parts, "assemble", refuse)
    assert complete(upload_id)["status"] == "completed"
    assert stored(kept(upload_id).file.key) == DATA


def test_a_recording_is_not_overwritten() -> None:
    first, second = (begin(SIZE, file_id="noon")["upload_id"] for _ in range(2))
    for upload_id in (first, second):
        send_all(upload_id, DATA)
    complete(first)

    late = call("upload_complete", second)
    assert (late.status, late.body["code"]) == (409, "CONFLICT")
    assert "already" in late.body["detail"]
    assert kept(second).status is Status.UPLOADING
    anew = call("upload_create", body={"file_name": "b.wav", "file_size": 1, "file_id": "noon"})
    assert (anew.status, anew.body["code"]) == (409, "CONFLICT")
    assert call("upload_abort", second).status == 200
    assert stored(f"{FOLDER}/noon.wav") == DATA


def test_an_id_that_another_begins_with_is_free() -> None:
    objects.put_once(bucket(), f"{FOLDER}/noon.wav.bak", b"")
    assert begin(SIZE, file_id="noon")["file_id"] == "noon"


def test_a_part_that_is_replaced_while_completing_is_completed_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload_id = begin(SIZE)["upload_id"]
    send_all(upload_id, DATA)
    received = parts.received

    def replaced(upload: Any) -> Any:
        listed = received(upload)
        send(upload_id, 2, DATA[:PART_SIZE])
        return listed

    with monkeypatch.context() as racing:
        racing.setattr(parts, "received", replaced)
        assert call("upload_complete", upload_id).status == 503
    assert complete(upload_id)["status"] == "completed"


def test_aborting_removes_the_parts_and_is_harmless_twice() -> None:
    upload_id = begin(SIZE)["upload_id"]
    send(upload_id, 1, DATA[:PART_SIZE])
    upload = kept(upload_id)

    assert [call("upload_abort", upload_id).status for _ in range(2)] == [200, 200]

    assert "Uploads" not in objects.client().list_multipart_uploads(Bucket=bucket())
    with pytest.raises(parts.GoneError):
        parts.received(upload)
    told = call("upload_get", upload_id).body
    assert (told["status"], told["received_parts"]) == ("aborted", [])
    assert call("upload_complete", upload_id).status == 409
    assert call("upload_parts", upload_id, body=ONE_PART).status == 409


def test_a_completed_upload_is_not_aborted() -> None:
    upload_id = begin(SIZE, file_id="noon")["upload_id"]
    send_all(upload_id, DATA)
    complete(upload_id)

    answer = call("upload_abort", upload_id)

    assert (answer.status, answer.body["upload_status"]) == (409, "completed")
    assert stored(f"{FOLDER}/noon.wav") == DATA
    assert call("upload_parts", upload_id, body=ONE_PART).status == 409


def test_an_upload_that_s3_has_removed_is_not_there() -> None:
    upload = kept(begin(SIZE)["upload_id"])
    parts.remove(upload)
    for function in ("upload_get", "upload_complete"):
        assert call(function, upload.upload_id).status == 404


def test_an_upload_that_has_expired_is_not_there() -> None:
    upload = kept(begin(SIZE)["upload_id"])
    store.add(upload.model_copy(update={"expires_at": int(time.time()) - 1}))
    assert call("upload_get", upload.upload_id).status == 404


ONE_PART = {"parts": [{"part_number": 1, "checksum_sha256": FIRST}]}
ROUTES = ["upload_parts", "upload_get", "upload_complete", "upload_abort"]
STRANGERS = {
    "of the same organisation": Principal("eve", "acme-corp"),
    "of the same name": Principal("dev-user", "globex"),
}


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
@pytest.mark.parametrize("function", ROUTES)
def test_somebody_elses_upload_is_as_one_that_is_not_there(
    function: str, stranger: Principal
) -> None:
    identity.put_api_key("stranger", stranger)
    upload_id = begin(SIZE)["upload_id"]
    body = ONE_PART if function == "upload_parts" else None
    seen = call(function, upload_id, body=body, key="stranger")
    absent = call(function, "0" * 32, body=body, key="stranger")
    assert (seen.status, seen.body["code"]) == (404, "NOT_FOUND")
    assert seen == absent
    assert kept(upload_id).status is Status.UPLOADING


def test_another_familys_upload_is_not_there() -> None:
    caller = Principal("dev-user", "acme-corp")
    recording = kept(begin(SIZE)["upload_id"])
    details = {"title": "Noon", "tags": ["a"], "gain": 0.5, "count": 7, "usage": None}
    other = recording.file.model_copy(
        update={"purpose": "library", "key": "library/x", "details": details}
    )
    upload = service.begin(caller, other)
    assert call("upload_get", upload.upload_id).status == 404
    found = service.find(caller, upload.upload_id, purpose="library")
    assert (found, found.file.details) == (upload, details)


@pytest.mark.parametrize("upload_id", ["17", "x" * 3000, "A" * 32])
@pytest.mark.parametrize("function", ["upload_get", "upload_abort"])
def test_what_is_no_upload_id_is_not_there(function: str, upload_id: str) -> None:
    assert call(function, upload_id).status == 404


@pytest.mark.parametrize("function", ["upload_create", *ROUTES])
def test_every_route_wants_a_key(function: str) -> None:
    answer = call(function, "0" * 32, key=None)
    assert (answer.status, answer.body["code"]) == (401, "INVALID_KEY")


@pytest.mark.parametrize(
    ("function", "allowed"),
    [("upload_create", "write"), ("upload_get", "read")]
    + [(function, "write") for function in ("upload_parts", "upload_complete", "upload_abort")],
)
def test_a_key_needs_the_scope(function: str, allowed: str) -> None:
    upload_id = begin(SIZE)["upload_id"]
    [lacking] = {"read", "write"} - {allowed}
    identity.put_api_key("narrow", Principal("dev-user", "acme-corp", (lacking,)))
    answer = call(function, upload_id, key="narrow")
    assert (answer.status, answer.body["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"file_name": None}, "file_name"),
        ({"file_name": ""}, "file_name"),
        ({"file_name": "../talk.wav"}, "file_name"),
        ({"file_name": "talk"}, "file_name"),
        ({"file_name": "talk.exe"}, "file_name"),
        ({"file_name": ".wav"}, "file_name"),
        ({"file_size": None}, "file_size"),
        ({"file_size": 0}, "file_size"),
        ({"file_size": -1}, "file_size"),
        ({"file_size": "large"}, "file_size"),
        ({"file_id": "../noon"}, "file_id"),
        ({"file_id": ""}, "file_id"),
        ({"file_id": "x" * 129}, "file_id"),
        ({"content_type": "audio"}, "content_type"),
        ({"content_type": "audio/mp4\r\nx-amz-acl: public-read"}, "content_type"),
    ],
)
def test_a_malformed_wish_is_named(wrong: dict[str, Any], field: str) -> None:
    body = {"file_name": "talk.wav", "file_size": SIZE, **wrong}
    answer = call("upload_create", body={k: v for k, v in body.items() if v is not None})
    assert (answer.status, answer.body["code"]) == (422, "INVALID_REQUEST")
    assert answer.body["field"] == field
    assert field in answer.body["detail"]


def test_an_unknown_extension_is_told_the_known_ones() -> None:
    answer = call("upload_create", body={"file_name": "talk.exe", "file_size": 1})
    assert answer.body["valid_values"] == [
        "m4a", "mp3", "wav", "flac", "aac", "ogg", "opus", "webm"
    ]  # fmt: skip


@pytest.mark.parametrize("function", ["upload_create", "upload_parts"])
@pytest.mark.parametrize("body", ["{", "[]", "17", '""'])
def test_a_body_that_is_no_object_is_refused(function: str, body: str) -> None:
    answer = call(function, begin(SIZE)["upload_id"], body=body)
    assert (answer.status, answer.body["code"]) == (422, "INVALID_REQUEST")


def test_a_file_over_the_limit_is_refused_before_anything_is_sent() -> None:
    limit = 500 * 1024 * 1024
    assert begin(limit)["part_count"] == 63
    answer = call("upload_create", body={"file_name": "talk.wav", "file_size": limit + 1})
    assert (answer.status, answer.body["code"]) == (400, "FILE_TOO_LARGE")
    assert (answer.body["field"], answer.body["max_file_size_mb"]) == ("file_size", 500)


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ([], "parts"),
        ([{"part_number": 1, "checksum_sha256": FIRST}] * 101, "parts"),
        ([{"part_number": 0, "checksum_sha256": FIRST}], "parts.0.part_number"),
        ([{"part_number": 4, "checksum_sha256": FIRST}], "parts.0.part_number"),
        ([{"part_number": 1}], "parts.0.checksum_sha256"),
        ([{"part_number": 1, "checksum_sha256": "hash"}], "parts.0.checksum_sha256"),
        ([{"part_number": 1, "checksum_sha256": "A" * 42 + "B="}], "parts.0.checksum_sha256"),
        ([{"part_number": 1, "checksum_sha256": FIRST + "\n"}], "parts.0.checksum_sha256"),
    ],
)
def test_malformed_parts_are_named(wanted: list[Any], field: str) -> None:
    answer = call("upload_parts", begin(SIZE)["upload_id"], body={"parts": wanted})
    assert (answer.status, answer.body["code"], answer.body["field"]) == (
        422,
        "INVALID_REQUEST",
        field,
    )
