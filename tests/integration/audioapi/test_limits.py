"""Each limit's refusal names the limit and its value; a count that a crash left wrong heals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from audioapi import settings
from audioapi.clock import now_ms
from audioapi.problems import InvalidRequestError, LimitExceededError
from audioapi.streaming import counter, notices, service, store, sweeper
from tests.audio import pcm
from tests.integration.audioapi.sessions import CLOSE, audio, connect, kept, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.template.model import Stack

AUDIO = pcm(rate=16000, channels=1, seconds=0.01)


@pytest.fixture
def limit(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets limits of the deployment."""

    def change(**limits: Any) -> None:
        config = settings.streaming().model_copy(update=limits)
        monkeypatch.setattr(settings, "streaming", lambda: config)

    return change


def test_as_many_sessions_as_may_are_active(limit: Callable[..., None]) -> None:
    limit(max_concurrent_sessions=2)
    connect("c1")
    connect("c2")
    with pytest.raises(LimitExceededError) as refused:
        connect("c3")
    assert refused.value.members == {"limit": "MAX_CONCURRENT_SESSIONS", "value": 2}
    say(CLOSE, "c1")
    connect("c3")


def test_a_session_that_crashed_while_it_was_made_counts_until_the_next_sweep(
    limit: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(max_concurrent_sessions=1)
    with monkeypatch.context() as patch:
        patch.setattr(store, "add_session", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            connect("c1")
    with pytest.raises(LimitExceededError):
        connect("c1")
    sweeper.sweep(now=now_ms())
    connect("c1")


def test_sessions_that_come_while_the_sweeper_counts_are_not_forgotten(
    limit: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(max_concurrent_sessions=10)
    connect("c1")
    listed = list(store.open_sessions())

    def meanwhile() -> Any:
        connect("c2")
        return iter(listed)

    monkeypatch.setattr(store, "open_sessions", meanwhile)
    sweeper.sweep(now=now_ms())
    assert counter.counted() == 2


def test_as_many_connections_as_may_share_a_session(
    limit: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(max_connections_per_session=2)
    session_id = connect("c1")["session_id"]
    connect("c2", session_id=session_id)
    with pytest.raises(LimitExceededError) as refused:
        connect("c3", session_id=session_id)
    assert refused.value.members == {"limit": "MAX_CONNECTIONS_PER_SESSION", "value": 2}

    class Gone(Exception):  # noqa: N818 — botocore's name is GoneException
        pass

    class Gateway:
        exceptions = type("exceptions", (), {"GoneException": Gone})

        def get_connection(self, **request: str) -> None:
            if request["ConnectionId"] == "c1":
                raise Gone

    monkeypatch.setattr(notices, "_gateway", Gateway)
    connect("c3", session_id=session_id)
    assert sorted(store.connections(session_id)) == ["c2", "c3"]


@pytest.mark.parametrize(
    ("limits", "message", "error"),
    [
        ({"max_chunk_size_mb": 0}, audio(AUDIO, 0), "MAX_CHUNK_SIZE_MB allows 0 MB"),
        ({"max_message_size_bytes": 10}, audio(AUDIO, 0), "MAX_MESSAGE_SIZE_BYTES allows 10"),
        ({}, audio(AUDIO, 20_000), "seq may be 10000 ahead"),
    ],
)
def test_a_chunk_over_a_limit_is_refused_by_name(
    limit: Callable[..., None], limits: dict[str, int], message: dict[str, Any], error: str
) -> None:
    session_id = connect()["session_id"]
    limit(**limits)
    answer = say(message)
    assert answer["status"] == "error"
    assert error in answer["error"]
    assert kept(session_id).total_chunks == 0


def test_a_session_that_has_lasted_too_long_takes_no_chunk(stack: Stack) -> None:
    session_id = connect()["session_id"]
    answer = say(audio(AUDIO, 0), at=kept(session_id).expires_at)
    assert answer["error"] == "MAX_SESSION_DURATION_HOURS allows 24 hours"


def test_every_nth_chunk_is_acknowledged_with_what_is_durable(stack: Stack) -> None:
    connect(ack_every="3")
    answers = [say(audio(AUDIO, seq)) for seq in (0, 1, 2, 4, 5, 3)]
    assert [answer and answer["next_seq"] for answer in answers] == [None, None, 3, None, None, 6]
    assert say(audio(AUDIO, 4))["next_seq"] == 6
    assert say(audio(b"", 6))["status"] == "error"


@pytest.mark.parametrize("given", ["0", "1001", "x", "1.5", "-1", "9" * 5000, "٣"])
def test_a_malformed_ack_every_refuses_the_handshake(stack: Stack, given: str) -> None:
    with pytest.raises(InvalidRequestError, match="ack_every must be a whole number"):
        service.connect(None, {"ack_every": given}, "c1", now=now_ms())
    assert counter.counted() == 0


@pytest.mark.parametrize("given", ["", "a" * 256, "nul\0"])
def test_a_name_that_cannot_be_kept_refuses_the_handshake(stack: Stack, given: str) -> None:
    with pytest.raises(InvalidRequestError, match="user_id must be 1 to 255 bytes"):
        service.connect(None, {"user_id": given}, "c1", now=now_ms())
    assert counter.counted() == 0
