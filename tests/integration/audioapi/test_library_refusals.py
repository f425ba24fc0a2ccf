"""What the library refuses: malformed requests, and callers without the right to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from tests.integration.audioapi.library_calls import (
    ROUTES,
    add,
    allow,
    call,
    metadata,
    organization,
    titles,
)

if TYPE_CHECKING:
    from local.template.model import Stack


@pytest.fixture
def acme(stack: Stack, database_secret: None) -> UUID:
    return organization("Acme")


@pytest.fixture
def audio(acme: UUID) -> UUID:
    return add(acme)


REFUSED = [
    ({"title": "x" * 256}, "title"),
    ({"title": ""}, "title"),
    ({"title": "  "}, "title"),
    ({"title": None}, "title"),
    ({"title": 5}, "title"),
    ({"title": "a\0b"}, "title"),
    ({"description": "x" * 501}, "description"),
    ({"description": "\ud800"}, "description"),
    ({"usageType": "ringtone"}, "usageType"),
    ({"usageType": None}, "usageType"),
    ({"tags": "welcome,updated"}, "tags"),
    ({"tags": ["a", 1]}, "tags.1"),
    ({"tags": [""]}, "tags.0"),
    ({"tags": ["x" * 65]}, "tags.0"),
    ({"tags": ["x"] * 51}, "tags"),
    ("[]", "body"),
    ("null", "body"),
    ("", "body"),
]


def test_updates_that_are_refused_change_nothing(
    acme: UUID, audio: UUID, subtests: pytest.Subtests
) -> None:
    for body, field in REFUSED:
        with subtests.test(body=body, field=field):
            before = metadata(audio)
            answer = call("library_update", audio, key="Acme", body=body)
            assert (answer.status, answer.body["code"]) == (400, "INVALID_REQUEST")
            assert answer.body["field"] == field
            assert answer.body["message"].startswith(f"{field}: ")
            assert metadata(audio) == before


MALFORMED = [
    ("page=0", "page"),
    ("page=-1", "page"),
    ("page=two", "page"),
    ("page=1&page=2", "page"),
    ("limit=0", "limit"),
    ("limit=101", "limit"),
    ("sortBy=checksum", "sortBy"),
    ("sortBy=title;drop", "sortBy"),
    ("sortOrder=up", "sortOrder"),
    ("usageType=ringtone", "usageType"),
    ("organizationId=acme", "organizationId"),
    (f"search={'x' * 256}", "search"),
    (f"tags={'x' * 65}", "tags.0"),
    ("tags=a,b%00", "tags.1"),
    (f"tags={'x,' * 51}", "tags"),
]


def test_a_malformed_query_is_named(acme: UUID, subtests: pytest.Subtests) -> None:
    for query, field in MALFORMED:
        with subtests.test(query=query, field=field):
            answer = call("library_list", key="Acme", query=query)
            assert (answer.status, answer.body["code"]) == (400, "INVALID_REQUEST")
            assert answer.body["field"] == field


def test_allowed_values_are_told(acme: UUID) -> None:
    told = call("library_list", key="Acme", query="sortBy=checksum").body["message"]
    assert told == "sortBy: Input should be 'createdAt', 'title' or 'durationSeconds'"


OF_ONE_AUDIO = [r for r in ROUTES if r not in ("library_list", "library_usage")]


def test_a_malformed_id_is_named(acme: UUID, subtests: pytest.Subtests) -> None:
    for route in OF_ONE_AUDIO:
        with subtests.test(route=route):
            answer = call(route, "17", key="Acme")
            assert (answer.status, answer.body["field"]) == (400, "id")


def test_an_unknown_usage_is_named(acme: UUID) -> None:
    path = "/audio-management/audios/usage/ringtone"
    answer = call("library_usage", key="Acme", path=path)
    assert (answer.status, answer.body["field"]) == (400, "usageType")
    assert "'hold_music'" in answer.body["message"]


def test_a_playback_url_has_bounds(acme: UUID, audio: UUID, subtests: pytest.Subtests) -> None:
    for seconds in ("59", "604801", "-1", "1e3", ""):
        with subtests.test(seconds=seconds):
            answer = call("library_playback_url", audio, key="Acme", query=f"expiresIn={seconds}")
            assert (answer.status, answer.body["field"]) == (400, "expiresIn")


def test_every_route_wants_a_key(acme: UUID, subtests: pytest.Subtests) -> None:
    for route in ROUTES:
        with subtests.test(route=route):
            for key in (None, "unknown"):
                answer = call(route, key=key)
                assert (answer.status, answer.body["code"]) == (401, "INVALID_KEY")


def test_a_key_needs_the_scope(acme: UUID, audio: UUID, subtests: pytest.Subtests) -> None:
    for route in ROUTES:
        with subtests.test(route=route):
            wanted = "write" if route in ("library_update", "library_delete") else "read"
            allow("narrow", acme, *({"read", "write"} - {wanted}))
            assert call(route, audio, key="narrow").status == 403
            allow("fitting", acme, wanted)
            assert call(route, audio, key="fitting").status in (200, 206)


def test_a_key_of_no_organisation_has_no_library(acme: UUID) -> None:
    allow("streamer", "acme-corp")
    answer = call("library_list", key="streamer")
    assert (answer.status, answer.body["code"]) == (403, "FORBIDDEN")
    allow("nobody", uuid4())
    assert titles("", key="nobody") == []
