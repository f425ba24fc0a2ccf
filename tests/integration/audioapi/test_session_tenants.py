"""Whose a stream session is, and what a key may do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audioapi import settings, tables
from audioapi.clock import now_ms
from audioapi.identity import Principal
from audioapi.problems import ForbiddenError, SessionNotFoundError
from audioapi.streaming import service, store
from tests.integration.audioapi.sessions import aws, connect, kept

if TYPE_CHECKING:
    from local.template.model import Stack

VICTIM = Principal("alice", "acme#eu")
THIEF = Principal("eu#alice", "acme")


@pytest.fixture
def session_id(stack: Stack) -> str:
    return str(connect(principal=VICTIM)["session_id"])


def listed(caller: Principal) -> list[str]:
    page = service.own_sessions(caller, limit=10, cursor=None)
    return [found.session_id for found in page.sessions]


def spelt_as_before(session_id: str) -> None:
    aws("dynamodb").update_item(
        TableName=settings.streaming().streams_table,
        Key=tables.marshal({"pk": f"session#{session_id}", "sk": "session"}),
        UpdateExpression="SET #owner = :owner",
        ExpressionAttributeNames={"#owner": "owner"},
        ExpressionAttributeValues=tables.marshal({":owner": "acme#eu#alice"}),
    )


def test_tenants_whose_names_run_together_stay_apart(session_id: str) -> None:
    assert listed(VICTIM) == [session_id]
    assert listed(THIEF) == []
    with pytest.raises(SessionNotFoundError):
        service.info(THIEF, session_id)


def test_owners_of_the_version_before_are_respelt(session_id: str) -> None:
    spelt_as_before(session_id)
    assert listed(VICTIM) == []
    assert store.respell_owners() == 1
    assert listed(VICTIM) == [session_id]
    assert listed(THIEF) == []
    assert store.respell_owners() == 0


def test_a_session_that_the_version_before_opened_is_respelt_at_its_end(session_id: str) -> None:
    spelt_as_before(session_id)
    store.complete(kept(session_id), missing_chunks=[])
    assert listed(VICTIM) == [session_id]


def test_what_is_listed_is_the_callers(session_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the index gave out somebody else's."""
    monkeypatch.setattr(store, "_owner", lambda _: '["acme#eu", "alice"]')
    assert listed(THIEF) == []


@pytest.mark.parametrize("scope", ["read", "write"])
def test_a_key_may_do_what_its_scopes_say(session_id: str, scope: str) -> None:
    caller = Principal(VICTIM.user_id, VICTIM.organization_id, (scope,))
    reads = (
        lambda: service.info(caller, session_id),
        lambda: service.own_sessions(caller, limit=10, cursor=None),
    )
    writes = (
        lambda: service.connect(caller, {"session_id": session_id}, "c2", now=now_ms()),
        lambda: service.close(caller, session_id, received_at=now_ms()),
    )
    for allowed, doings in ((scope == "read", reads), (scope == "write", writes)):
        for do in doings:
            if allowed:
                do()
            else:
                with pytest.raises(ForbiddenError):
                    do()
