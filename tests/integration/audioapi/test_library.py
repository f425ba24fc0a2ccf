"""The library is read, changed and emptied as its published types and examples say."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from audioapi import database, objects
from audioapi.library import service, store
from audioapi.library.models import ProcessingStatus
from tests.integration.audioapi import library_calls
from tests.integration.audioapi.library_calls import (
    JANUARY,
    PEAKS,
    SAMPLE_ID,
    add,
    call,
    metadata,
    noise,
    organization,
    stored,
    titles,
)

if TYPE_CHECKING:
    from local.template.model import Stack

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def acme(stack: Stack, database_secret: None) -> UUID:
    return organization("Acme")


@pytest.fixture
def audio(acme: UUID) -> UUID:
    """The example of the published documentation."""
    return add(acme, description="Welcome audio for customers", tags=["welcome", "greeting"])


def test_metadata_is_the_documented_example(acme: UUID, audio: UUID) -> None:
    found = metadata(audio)
    file = found.pop("file")
    assert found == {
        "id": str(audio),
        "title": "Welcome Message",
        "description": "Welcome audio for customers",
        "usageType": "welcome",
        "tags": ["welcome", "greeting"],
        "durationSeconds": 1.0,
        "sampleRate": 8000,
        "channels": 1,
        "bitDepth": 16,
        "organizationId": str(acme),
        "originalFileName": "welcome.wav",
        "createdAt": "2025-01-15T10:30:00.000Z",
        "updatedAt": "2025-01-15T10:30:00.000Z",
    }
    assert (file["name"], file["contentType"]) == ("welcome_processed.wav", "audio/wav")
    assert file["fileSize"] == len(noise())
    assert re.fullmatch(r"[0-9a-f]{64}", file["checksum"])
    assert UUID(file["id"]) != audio


def test_details_have_the_organisation_too(acme: UUID, audio: UUID) -> None:
    found = call("library_details", audio, key="Acme").body
    owner = found.pop("organization")
    assert (owner["id"], owner["name"]) == (str(acme), "Acme")
    assert re.fullmatch(r"acme-\w+", owner["slug"])
    assert found == metadata(audio)


def test_what_nobody_said_is_null(acme: UUID) -> None:
    found = metadata(add(acme))
    assert (found["description"], found["tags"]) == (None, None)


def test_an_audio_that_is_being_made_says_so(acme: UUID) -> None:
    waiting = add(acme, processing_status=ProcessingStatus.PENDING, checksum=None)
    failed = add(
        acme, processing_status=ProcessingStatus.FAILED, processing_error="no audio", checksum=None
    )
    assert metadata(waiting)["processingStatus"] == "pending"
    assert metadata(failed)["processingStatus"] == "failed"
    assert metadata(failed)["processingError"] == "no audio"
    for route in ("library_stream", "library_playback_url", "library_waveform"):
        answer = call(route, failed, key="Acme")
        assert (answer.status, answer.body["code"]) == (409, "CONFLICT")
        assert (answer.body["message"], answer.body["processingStatus"]) == ("no audio", "failed")
        assert call(route, waiting, key="Acme").body["message"] == "The file is not made yet"


def test_a_list_is_the_documented_example(acme: UUID, audio: UUID) -> None:
    answer = call("library_list", key="Acme", query="page=1&limit=20&usageType=welcome")
    assert answer.body == {
        "data": [metadata(audio)],
        "meta": {
            "page": 1,
            "limit": 20,
            "total": 1,
            "totalPages": 1,
            "hasNextPage": False,
            "hasPreviousPage": False,
        },
    }


def test_an_empty_library_has_no_pages(acme: UUID) -> None:
    assert call("library_list", key="Acme").body == {
        "data": [],
        "meta": {
            "page": 1,
            "limit": 20,
            "total": 0,
            "totalPages": 0,
            "hasNextPage": False,
            "hasPreviousPage": False,
        },
    }


def test_pages_hold_everything_once(acme: UUID) -> None:
    for number in range(7):  # all of the same moment
        add(acme, f"Audio {number}")
    seen = []
    for page in (1, 2, 3):
        body = call("library_list", key="Acme", query=f"page={page}&limit=3").body
        seen += [item["id"] for item in body["data"]]
        assert (body["meta"]["total"], body["meta"]["totalPages"]) == (7, 3)
        assert body["meta"]["hasNextPage"] is (page < 3)
        assert body["meta"]["hasPreviousPage"] is (page > 1)
    assert len(seen) == len(set(seen)) == 7
    assert titles("page=4&limit=3") == []


def test_newest_come_first_unless_asked_otherwise(acme: UUID) -> None:
    for number, (title, seconds) in enumerate([("banana", 3.0), ("Apple", None), ("Cherry", 1.5)]):
        at = JANUARY + timedelta(milliseconds=number)
        add(acme, title, created_at=at, duration_seconds=seconds)
    assert titles("") == ["Cherry", "Apple", "banana"]
    assert titles("sortBy=createdAt&sortOrder=asc") == ["banana", "Apple", "Cherry"]
    assert titles("sortBy=title&sortOrder=asc") == ["Apple", "banana", "Cherry"]
    assert titles("sortBy=title") == ["Cherry", "banana", "Apple"]
    assert titles("sortBy=durationSeconds&sortOrder=asc") == ["Cherry", "banana", "Apple"]
    assert titles("sortBy=durationSeconds&sortOrder=desc") == ["Apple", "banana", "Cherry"]


def test_one_usage_is_listed_by_page_and_as_a_bare_array(acme: UUID, audio: UUID) -> None:
    add(acme, "Music", usage_type="hold_music")
    assert titles("usageType=hold_music") == ["Music"]
    answer = call("library_usage", key="Acme")
    assert answer.body == [metadata(audio)]
    assert "Link" not in answer.headers


def test_a_usage_of_very_many_tells_where_the_rest_is(
    acme: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_OF_USAGE", 100)
    for number in range(101):
        add(acme, f"{number}", created_at=JANUARY + timedelta(seconds=number))
    answer = call("library_usage", key="Acme")
    assert [item["title"] for item in answer.body] == [f"{number}" for number in range(100, 0, -1)]
    assert answer.headers["Link"] == (
        '</audio-management/audios?usageType=welcome&limit=100&page=2>; rel="next"'
    )
    assert titles("usageType=welcome&limit=100&page=2") == ["0"]


@pytest.mark.parametrize(
    "asked", ["tags=blue,red", "tags=blue&tags=red", "tags=BLUE&tags=red,none", "tags=,red,blue,"]
)
def test_tags_are_separated_by_commas_or_repeated(acme: UUID, asked: str) -> None:
    for title, tags in (("A", ["red", "green"]), ("B", ["Blue"]), ("C", ["redder"]), ("D", None)):
        add(acme, title, tags=tags)
    assert titles(f"{asked}&sortBy=title&sortOrder=asc") == ["A", "B"]


def test_filters_are_all_heeded(acme: UUID) -> None:
    add(acme, "Good morning", tags=["a"])
    add(acme, "Good evening", tags=["b"])
    add(acme, "Good night", tags=["a"], usage_type="goodbye")
    assert titles("search=good&tags=a&usageType=welcome") == ["Good morning"]


def test_the_own_organisation_may_be_named(acme: UUID, audio: UUID) -> None:
    assert titles(f"organizationId={acme}") == ["Welcome Message"]
    assert titles(f"organizationId={str(acme).upper()}") == ["Welcome Message"]


def test_an_update_changes_what_is_given(acme: UUID, audio: UUID) -> None:
    changes = {"title": "Updated Welcome Message", "tags": ["welcome", "updated"]}
    before = metadata(audio)
    answer = call("library_update", audio, key="Acme", body=changes)
    assert answer.body == before | changes | {"updatedAt": answer.body["updatedAt"]}
    assert ISO.fullmatch(answer.body["updatedAt"])
    updated = datetime.fromisoformat(answer.body["updatedAt"])
    assert abs(datetime.now(UTC) - updated) < timedelta(minutes=1)
    assert metadata(audio) == answer.body


def test_an_update_is_found(acme: UUID, audio: UUID) -> None:
    call("library_update", audio, key="Acme", body={"title": "Au revoir", "tags": None})
    assert titles("search=revoir") == ["Au revoir"]
    assert titles("search=message") == titles("search=greeting") == titles("tags=greeting") == []
    assert titles("search=customers") == ["Au revoir"], "the description is as it was"


TAKEN = [
    ({"description": None}, {"description": None}),
    ({"tags": None}, {"tags": None}),
    ({"tags": []}, {"tags": []}),
    ({"usageType": "hold_music"}, {"usageType": "hold_music"}),
    ({"title": "  Trimmed  "}, {"title": "Trimmed"}),
    ({"title": "Ü" * 255, "description": "é" * 500}, {"title": "Ü" * 255}),
    ({"tags": ["ﷺ" * 64, "it's", "a\\b", "x & y | !z:*"]}, {}),
    ({}, {}),
    ({"durationSeconds": 7, "id": SAMPLE_ID, "unknown": 1}, {"durationSeconds": 1.0}),
]


def test_updates_that_are_taken(acme: UUID, audio: UUID, subtests: pytest.Subtests) -> None:
    for given, after in TAKEN:
        with subtests.test(given=given, after=after):
            answer = call("library_update", audio, key="Acme", body=given)
            assert answer.status == 200, answer.body
            assert answer.body == answer.body | after
            assert UUID(answer.body["id"]) == audio


def test_every_tag_is_found_again(acme: UUID, audio: UUID) -> None:
    for tag in ("ﷺ" * 64, "it's", "a\\b", "x%20%26%20y|!z:*", "%F0%9F%8E%B5"):
        decoded = parse_qs(f"t={tag}")["t"][0]
        call("library_update", audio, key="Acme", body={"tags": [decoded]})
        assert titles(f"tags={tag}") == ["Welcome Message"]


def test_a_playback_url_is_signed_for_as_long_as_asked(
    acme: UUID, audio: UUID, subtests: pytest.Subtests
) -> None:
    for seconds in (60, 7200, 604_800):
        with subtests.test(seconds=seconds):
            told = call(
                "library_playback_url", audio, key="Acme", query=f"expiresIn={seconds}"
            ).body
            signed = urlsplit(told["playbackUrl"])
            assert signed.path.endswith(f"/library/{acme}/{audio}/processed.wav")
            assert parse_qs(signed.query)["X-Amz-Expires"] == [str(seconds)]
            assert (told["id"], told["expiresIn"]) == (str(audio), seconds)
            ends = datetime.fromisoformat(told["expiresAt"])
            assert abs(ends - datetime.now(UTC) - timedelta(seconds=seconds)) < timedelta(minutes=1)


def test_a_playback_url_lives_an_hour_unless_asked(acme: UUID, audio: UUID) -> None:
    assert call("library_playback_url", audio, key="Acme").body["expiresIn"] == 3600


def test_a_waveform_is_what_was_made_of_it(acme: UUID, audio: UUID) -> None:
    answer = call("library_waveform", audio, key="Acme")
    assert (answer.content, answer.headers["Content-Type"]) == (PEAKS, "application/json")


def test_deleting_leaves_nothing(acme: UUID, audio: UUID) -> None:
    other = add(acme)
    objects.put(
        library_calls.bucket(), service.folder(acme, audio) + "later.json", b"", content_type="x"
    )
    answer = call("library_delete", audio, key="Acme")
    assert answer.body == {"message": "Audio deleted successfully"}
    assert stored(acme, audio) == []
    assert call("library_metadata", audio, key="Acme").status == 404
    assert call("library_delete", audio, key="Acme").status == 404
    assert len(stored(acme, other)) == 3, "and others are as they were"


def test_a_delete_that_crashed_is_done_by_the_next(
    acme: UUID, audio: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = objects.delete_all
    crashes = iter([lambda *_: None, real])

    def crash(bucket: str, prefix: str) -> None:
        next(crashes)(bucket, prefix)
        raise MemoryError

    with monkeypatch.context() as crashing:
        crashing.setattr(objects, "delete_all", crash)
        assert call("library_delete", audio, key="Acme").status == 500
        assert len(stored(acme, audio)) == 3
        assert call("library_delete", audio, key="Acme").status == 500
    assert stored(acme, audio) == []
    assert metadata(audio)["id"] == str(audio), "it is still listed, so that it can be deleted"
    gone = call("library_stream", audio, key="Acme")
    assert (gone.status, gone.body["code"]) == (404, "AUDIO_NOT_FOUND")
    assert call("library_waveform", audio, key="Acme").status == 404
    assert call("library_delete", audio, key="Acme").status == 200


def test_adding_twice_adds_once(acme: UUID) -> None:
    audio_id = add(acme)
    again = database.transaction(lambda session: store.get(session, acme, audio_id))
    assert again is not None
    again.title = "Another"
    kept = database.transaction(lambda session: store.add(session, again))
    assert kept.title == "Welcome Message"
    assert titles("") == ["Welcome Message"]
