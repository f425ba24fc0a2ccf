"""Whoever wants a stream of events from the gateway is sent to where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audioapi import settings
from tests.integration.audioapi.analysis import analysis_calls
from tests.integration.audioapi.analysis.analysis_calls import call

if TYPE_CHECKING:
    from local.template.model import Stack


@pytest.fixture(autouse=True)
def _caller(stack: Stack) -> None:
    analysis_calls.let_in()


def test_an_event_source_keeps_its_key() -> None:
    answer = call("analysis_redirect", key=None, query="api_key=dev-key&a=%20b")
    assert answer.status == 307
    url = f"{settings.live_events().live_events_url}analyze/live/live_3f9c01ab/events"
    assert answer.headers["Location"] == f"{url}?api_key=dev-key&a=%20b"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_replay_is_sent_on_without_a_query() -> None:
    answer = call("analysis_redirect", path="/analyze/stream", method="POST")
    url = f"{settings.analysis_stream().analysis_stream_url}analyze/stream"
    assert (answer.status, answer.headers["Location"]) == (307, url)


def test_a_session_id_leads_nowhere_else() -> None:
    answer = call("analysis_redirect", path="/analyze/live/..%2f%0d%0ax/events")
    location = answer.headers.get("Location", "")
    assert answer.status in (307, 404)
    assert "\n" not in location
    assert "/../" not in location


@pytest.mark.parametrize("key", [None, "nobody's"])
def test_nobody_without_a_key_is_sent_anywhere(key: str | None) -> None:
    answer = call("analysis_redirect", key=key)
    assert (answer.status, answer.body["code"]) == (401, "INVALID_KEY")
    assert "Location" not in answer.headers
