"""Every connection is greeted, before anything else is said to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ConnectionClosedError
from moto.apigatewaymanagementapi.models import apigatewaymanagementapi_backends
from moto.core.models import DEFAULT_ACCOUNT_ID

from audioapi.clock import now_ms
from audioapi.streaming import assembly, notices, service
from tests.audio import pcm
from tests.integration.audioapi.sessions import audio, posted, received, say

if TYPE_CHECKING:
    from local.template.model import Stack

AUDIO = pcm(rate=16000, channels=1, seconds=0.2)


@pytest.fixture
def greeting(stack: Stack) -> dict[str, Any]:
    """Of a new session, on its way to its connection."""
    apigatewaymanagementapi_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].connections.clear()
    service.connect(None, {"sample_rate": "16000"}, "c1", now=now_ms())
    [notice] = received("NotificationsQueue")
    return notice


def heard(connection_id: str = "c1") -> list[str]:
    return [frame["message"] for frame in posted(connection_id)]


def deliver(notice: dict[str, Any]) -> None:
    notices.deliver(notice, age_ms=0)


def test_who_waits_is_greeted_once(greeting: dict[str, Any]) -> None:
    deliver(greeting)
    say(audio(AUDIO, 0))
    deliver(greeting)  # the queue may give it out again
    assert heard() == ["Audio session created"]


def test_who_does_not_wait_is_greeted_before_the_first_answer(greeting: dict[str, Any]) -> None:
    for seq in range(2):
        say(audio(AUDIO, seq))
        assert heard() == ["Audio session created"]
    deliver(greeting)
    assert heard() == ["Audio session created"]


def test_who_comes_back_is_told_what_is_there(greeting: dict[str, Any]) -> None:
    deliver(greeting)
    say(audio(AUDIO, 0))
    session_id = greeting["frame"]["session_id"]
    service.connect(None, {"session_id": session_id}, "c2", now=now_ms())
    say(audio(AUDIO, 1), "c2")
    [resumed] = posted("c2")
    assert (resumed["message"], resumed["next_seq"]) == ("Audio session resumed", 1)


def test_an_end_that_overtakes_the_greeting_greets_first(
    greeting: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "_hang_up", lambda _: None)  # moto forgets what was posted then
    session_id = greeting["frame"]["session_id"]
    service.close(None, session_id, received_at=now_ms())
    assembly.assemble_session(session_id)
    for notice in received("NotificationsQueue"):
        deliver(notice)
    assert heard() == ["Audio session created", "No audio received"]


def test_an_end_that_overtakes_who_came_back_tells_it_what_is_there(
    greeting: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "_hang_up", lambda _: None)  # moto forgets what was posted then
    deliver(greeting)
    say(audio(AUDIO, 0))
    session_id = greeting["frame"]["session_id"]
    service.connect(None, {"session_id": session_id}, "c2", now=now_ms())
    service.close(None, session_id, received_at=now_ms())
    assembly.assemble_session(session_id)
    [end] = [told for told in received("NotificationsQueue") if "session_id" in told]
    deliver(end)
    resumed, ready = posted("c2")
    assert (resumed["message"], resumed["next_seq"]) == ("Audio session resumed", 1)
    assert ready["message"] == "Audio file ready"


def test_a_chunk_is_kept_though_nobody_can_be_greeted(
    greeting: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        """The gateway's own API, which fails."""

        exceptions = notices._gateway().exceptions

        def post_to_connection(self, **_: object) -> None:
            raise ConnectionClosedError(endpoint_url="gateway")

    monkeypatch.setattr(notices, "_gateway", Away)
    assert say(audio(AUDIO, 0))["message"] == "Chunk processed successfully"
