"""A file larger than a request goes into the library in parts, and the worker makes it fit."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from audioapi import settings
from audioapi.uploads.models import PART_SIZE
from tests import audio
from tests.integration import ffmpegs
from tests.integration.audioapi.library_calls import allow, call, organization, stored
from tests.integration.audioapi.library_upload_calls import (
    begin,
    direct,
    do_jobs,
    read,
    rows,
    send_part,
)

if TYPE_CHECKING:
    from pathlib import Path

    from local.template.model import Stack

M4A = audio.encoded("ipod", "-c:a", "aac", channels=2)
WAV = audio.wav(audio.pcm(rate=48000, channels=2, seconds=1.0) * 50, rate=48000, channels=2)
CHECKSUM = base64.b64encode(hashlib.sha256(M4A).digest()).decode()
MISSING = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def acme(stack: Stack, database_secret: None) -> UUID:
    settings.library.cache_clear()
    settings.uploads.cache_clear()
    return organization("Acme")


def arrived(data: bytes = M4A, **members: Any) -> str:
    upload_id: str = begin(len(data), **members)["uploadId"]
    for number, start in enumerate(range(0, len(data), PART_SIZE), start=1):
        send_part(upload_id, number, data[start : start + PART_SIZE])
    return upload_id


def completed(upload_id: str) -> Any:
    answer = direct("complete", upload_id)
    assert answer.status == 200, answer.body
    return answer.body


def metadata(audio_id: str) -> Any:
    return call("library_metadata", audio_id, key="Acme").body


def test_an_upload_becomes_an_audio(acme: UUID) -> None:
    wanted: Any = {
        "title": "On hold",
        "usageType": "hold_music",
        "tags": ["calm"],
        "description": "A",
    }
    upload_id = arrived(fileName="../music/on hold.m4a", **wanted)

    pending = completed(upload_id)
    assert {name: pending[name] for name in wanted} == wanted
    assert pending["originalFileName"] == "on hold.m4a"
    assert pending["processingStatus"] == "pending"
    assert (pending["durationSeconds"], pending["file"]["checksum"]) == (None, None)
    assert call("library_stream", pending["id"], key="Acme").status == 409

    do_jobs()
    made = metadata(pending["id"])
    processed = read(acme, made["id"], "processed.wav")
    assert "processingStatus" not in made
    assert made["durationSeconds"] == pytest.approx(1.0, abs=0.08)
    assert (made["sampleRate"], made["channels"], made["bitDepth"]) == (8000, 1, 16)
    assert made["file"]["checksum"] == hashlib.sha256(processed).hexdigest()
    assert made["file"]["fileSize"] == len(processed)
    assert made["file"]["id"] == pending["file"]["id"]
    assert read(acme, made["id"], "original") == M4A
    assert call("library_stream", made["id"], key="Acme").content == processed


def test_a_file_in_several_parts_goes_on_where_it_stopped(acme: UUID) -> None:
    begun = begin(len(WAV), fileName="long.wav")
    assert begun["partCount"] == 2
    upload_id = begun["uploadId"]
    send_part(upload_id, 2, WAV[PART_SIZE:])

    refused = direct("complete", upload_id)
    assert (refused.status, refused.body["missingParts"]) == (409, [1])
    there = direct("get", upload_id).body
    assert [part["partNumber"] for part in there["receivedParts"]] == [2]
    assert (there["status"], there["audioId"]) == ("uploading", begun["audioId"])

    send_part(upload_id, 1, WAV[:PART_SIZE])
    made = completed(upload_id)
    assert made["id"] == begun["audioId"]
    do_jobs()
    assert metadata(made["id"])["durationSeconds"] == 50.0
    assert direct("get", upload_id).body["receivedParts"] == []


def test_a_part_is_signed_for_its_bytes_alone() -> None:
    upload_id = begin(len(M4A))["uploadId"]
    parts = [{"partNumber": 1, "checksumSha256": CHECKSUM}]
    [signed] = direct("parts", upload_id, body={"parts": parts}).body["parts"]
    assert signed["partNumber"] == 1
    assert signed["headers"] == {
        "content-length": str(len(M4A)),
        "x-amz-checksum-sha256": CHECKSUM,
    }
    assert "partNumber=1" in signed["url"]
    assert signed["expiresAt"].endswith("Z")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"parts": []}, "parts"),
        ({"parts": [{"partNumber": 2, "checksumSha256": CHECKSUM}]}, "parts.0.partNumber"),
        ({"parts": [{"partNumber": 0, "checksumSha256": CHECKSUM}]}, "parts.0.partNumber"),
        ({"parts": [{"partNumber": 1, "checksumSha256": "x"}]}, "parts.0.checksumSha256"),
        ({"parts": [{"partNumber": 1, "checksumSha256": CHECKSUM}] * 101}, "parts"),
        ({}, "parts"),
    ],
)
def test_a_part_that_cannot_be_is_named(body: Any, field: str) -> None:
    answer = direct("parts", begin(len(M4A))["uploadId"], body=body)
    assert (answer.status, answer.body["field"]) == (400, field)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"title": "x" * 256}, "title"),
        ({"description": "x" * 501}, "description"),
        ({"usageType": "jingle"}, "usageType"),
        ({"tags": ["x" * 65]}, "tags.0"),
        ({"fileName": ""}, "fileName"),
        ({"fileSize": 0}, "fileSize"),
        ({"contentType": "audio"}, "contentType"),
    ],
)
def test_a_field_out_of_bounds_is_named(members: Any, field: str) -> None:
    body = {"fileName": "a.wav", "fileSize": 10, **members}
    answer = direct("create", body=body)
    assert (answer.status, answer.body["code"]) == (400, "INVALID_REQUEST")
    assert answer.body["field"] == field


def test_a_file_over_the_limit_is_refused_before_it_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAX_FILE_SIZE_MB", "1")
    settings.library.cache_clear()
    settings.uploads.cache_clear()
    begin(1024 * 1024)
    answer = direct("create", body={"fileName": "a.wav", "fileSize": 1024 * 1024 + 1})
    assert (answer.status, answer.body["code"]) == (400, "FILE_TOO_LARGE")
    assert answer.body["field"] == "fileSize"


def test_every_message_may_come_three_times(acme: UUID) -> None:
    audio_id = completed(arrived())["id"]
    do_jobs()
    once = metadata(audio_id)
    again = completed(arrived())["id"]
    do_jobs(times=3)
    twice = metadata(again)
    assert once["file"]["checksum"] == twice["file"]["checksum"]
    assert len(rows(acme)) == 2


def test_a_completion_that_comes_again_tells_how_it_stands(acme: UUID) -> None:
    upload_id = arrived()
    first = completed(upload_id)
    assert completed(upload_id) == first
    do_jobs()
    assert completed(upload_id) == metadata(first["id"])
    assert len(rows(acme)) == 1


def test_what_is_no_audio_is_marked_with_its_reason(acme: UUID) -> None:
    audio_id = completed(arrived(b"Kein Ton.\n" * 50, fileName="a.wav"))["id"]
    do_jobs()
    failed = metadata(audio_id)
    assert failed["processingStatus"] == "failed"
    assert failed["processingError"] == "It is no audio: it starts with text"
    assert stored(acme, UUID(audio_id)) == ["original"]
    refused = call("library_stream", audio_id, key="Acme")
    assert (refused.status, refused.body["detail"]) == (409, failed["processingError"])
    do_jobs()
    assert metadata(audio_id) == failed


def test_sound_that_is_lost_fails_with_both_figures(
    acme: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FFMPEG_PATH", str(ffmpegs.breaking_off(tmp_path, samples=320)))
    audio_id = completed(arrived())["id"]
    do_jobs()
    failed = metadata(audio_id)
    assert failed["processingStatus"] == "failed"
    assert failed["processingError"] == "1.000 s were decoded, but what came out has 0.040 s"
    assert stored(acme, UUID(audio_id)) == ["original"]


def test_a_deleted_audio_does_not_come_back(acme: UUID) -> None:
    upload_id = arrived()
    audio_id = completed(upload_id)["id"]
    assert call("library_delete", audio_id, key="Acme").status == 200
    answer = direct("complete", upload_id)
    assert (answer.status, answer.body["code"]) == (404, "AUDIO_NOT_FOUND")
    do_jobs(times=2)
    assert (stored(acme), rows(acme)) == ([], [])


def test_an_aborted_upload_is_over(acme: UUID) -> None:
    upload_id = arrived()
    assert direct("abort", upload_id).body["status"] == "aborted"
    assert direct("abort", upload_id).body["status"] == "aborted"
    refused = direct("complete", upload_id)
    assert (refused.status, refused.body["uploadStatus"]) == (409, "aborted")
    do_jobs()
    assert (stored(acme), rows(acme)) == ([], [])


def test_a_completed_upload_is_not_aborted(acme: UUID) -> None:
    upload_id = arrived()
    completed(upload_id)
    refused = direct("abort", upload_id)
    assert (refused.status, refused.body["uploadStatus"]) == (409, "completed")
    parts = [{"partNumber": 1, "checksumSha256": CHECKSUM}]
    assert direct("parts", upload_id, body={"parts": parts}).status == 409


@pytest.mark.parametrize("function", ["get", "parts", "complete", "abort"])
def test_anothers_upload_is_as_one_that_is_missing(acme: UUID, function: str) -> None:
    upload_id = arrived()
    organization("Globex")
    allow("Colleague", acme)
    parts = {"parts": [{"partNumber": 1, "checksumSha256": CHECKSUM}]}
    body = parts if function == "parts" else None
    missing = direct(function, MISSING, body=body)
    assert (missing.status, missing.body["code"]) == (404, "NOT_FOUND")
    for key in ("Globex", "Colleague"):
        answer = direct(function, upload_id, key=key, body=body)
        assert (answer.status, answer.body) == (404, missing.body)
    assert completed(upload_id)["processingStatus"] == "pending"


@pytest.mark.parametrize("function", ["create", "parts", "complete", "abort"])
def test_whoever_may_only_read_changes_nothing(acme: UUID, function: str) -> None:
    allow("Reader", acme, "read")
    answer = direct(function, MISSING, key="Reader", body=_body(function))
    assert (answer.status, answer.body["code"]) == (403, "FORBIDDEN")


def _body(function: str) -> Any:
    if function == "create":
        return {"fileName": "a.wav", "fileSize": 10}
    return {"parts": [{"partNumber": 1, "checksumSha256": CHECKSUM}]}
