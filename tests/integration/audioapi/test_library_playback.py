"""Streaming from the library: whole, in part, unchanged, or by way of S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from audioapi.library import playback
from tests.integration.audioapi.library_calls import Answer, add, call, noise, organization

if TYPE_CHECKING:
    from uuid import UUID

    from local.template.model import Stack

SIZE = len(noise())


@pytest.fixture
def acme(stack: Stack, database_secret: None) -> UUID:
    return organization("Acme")


@pytest.fixture
def audio(acme: UUID) -> UUID:
    return add(acme)


def play(audio: UUID, **more: Any) -> Answer:
    return call("library_stream", audio, key="Acme", **more)


PATHS = ["", "/stream"]


def test_both_paths_stream_the_file(audio: UUID, subtests: pytest.Subtests) -> None:
    for path in PATHS:
        with subtests.test(path=path):
            answer = play(audio, path=f"/audio-management/audio/{audio}{path}")
            assert (answer.status, answer.content) == (200, noise())
            assert answer.headers["Content-Type"] == "audio/wav"
            assert answer.headers["Accept-Ranges"] == "bytes"
            assert "Content-Range" not in answer.headers


PARTS = [
    ("bytes=0-99", 0, 100),
    ("bytes=100-100", 100, 101),
    ("bytes=100-", 100, SIZE),
    ("bytes=0-", 0, SIZE),
    ("bytes=-100", SIZE - 100, SIZE),
    (f"bytes=-{SIZE + 1}", 0, SIZE),
    (f"bytes=10-{SIZE * 9}", 10, SIZE),
    (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
]


def test_a_range_is_a_part(audio: UUID, subtests: pytest.Subtests) -> None:
    for asked, start, end in PARTS:
        with subtests.test(asked=asked, start=start, end=end):
            answer = play(audio, range=asked)
            assert (answer.status, answer.content) == (206, noise()[start:end])
            assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{SIZE}"


PAST_THE_END = [
    f"bytes={SIZE}-",
    f"bytes={SIZE * 2}-{SIZE * 3}",
    "bytes=-0",
]


def test_a_range_past_the_end_says_where_that_is(audio: UUID, subtests: pytest.Subtests) -> None:
    for asked in PAST_THE_END:
        with subtests.test(asked=asked):
            answer = play(audio, range=asked)
            assert (answer.status, answer.body["code"]) == (416, "RANGE_NOT_SATISFIABLE")
            assert answer.body["field"] == "Range"
            assert answer.headers["Content-Range"] == f"bytes */{SIZE}"


OTHERS = [
    "bytes=0-1,5-6",
    "bytes=-",
    "bytes=9-2",
    "bytes=a-b",
    "bytes=٣-٤",
    f"bytes={'9' * 5000}-",
    "seconds=1-2",
    "bytes 0-1",
    "",
]


def test_other_ranges_are_answered_with_the_whole(audio: UUID, subtests: pytest.Subtests) -> None:
    for asked in OTHERS:
        with subtests.test(asked=asked):
            answer = play(audio, range=asked)
            assert (answer.status, answer.content) == (200, noise())


def test_what_the_caller_has_is_not_sent_again(audio: UUID) -> None:
    etag = play(audio).headers["ETag"]
    for known in (etag, f"W/{etag}", f'"another", {etag}', "*"):
        answer = play(audio, if_none_match=known, range="bytes=999999-")
        assert (answer.status, answer.content) == (304, b"")
        assert answer.headers["ETag"] == etag
    assert play(audio, if_none_match='"another"').status == 200


def test_a_range_of_another_version_is_answered_with_the_whole(audio: UUID) -> None:
    etag = play(audio).headers["ETag"]
    for known, status in (
        (etag, 206),
        ('"another"', 200),
        (f"W/{etag}", 200),
        ("Wed, 15 Jan 2025 10:30:00 GMT", 200),
    ):
        assert play(audio, range="bytes=0-1", if_range=known).status == status


def test_head_has_the_same_headers(audio: UUID) -> None:
    """The gateway counts the bytes for Content-Length, and sends none of them."""
    assert play(audio, method="HEAD") == play(audio)
    assert play(audio, method="HEAD", range="bytes=5-9") == play(audio)
    etag = play(audio).headers["ETag"]
    assert play(audio, method="HEAD", if_none_match=etag).status == 304


def test_what_is_larger_than_an_answer_comes_from_s3(
    acme: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playback, "MOST_BYTES", SIZE)
    at_limit, over = add(acme), add(acme, data=noise() + b"\0")
    assert play(at_limit).status == 200
    for asked in ({}, {"range": "bytes=0-"}, {"method": "HEAD"}):
        answer = play(over, **asked)
        assert (answer.status, answer.content) == (307, b"")
        address = urlsplit(answer.headers["Location"])
        assert address.path.endswith(f"/library/{acme}/{over}/processed.wav")
        assert "X-Amz-Signature=" in address.query
        assert answer.headers["Cache-Control"] == "no-store"
    assert play(over, range="bytes=1-").status == 206, "a part that fits needs no redirect"


def test_an_address_for_head_is_signed_for_head(
    acme: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playback, "MOST_BYTES", 1)
    audio = add(acme)
    get, head = (play(audio, method=method).headers["Location"] for method in ("GET", "HEAD"))
    assert get.split("X-Amz-Signature")[1] != head.split("X-Amz-Signature")[1]


def test_the_limit_leaves_room_in_a_functions_answer() -> None:
    assert playback.MOST_BYTES * 4 / 3 < 6 * 1024 * 1024 - 4096
