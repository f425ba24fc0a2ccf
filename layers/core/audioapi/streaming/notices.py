"""What clients are told without asking, posted to their connections through the gateway."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from audioapi import settings
from audioapi.observe import logger
from audioapi.streaming import frames, store
from audioapi.streaming.models import Connection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient

    from audioapi.streaming.models import Session

_HANDSHAKE_MS = 10_000


class NotConnectedYetError(Exception):
    """A greeting came before its handshake was through: it is worth another try."""


def deliver(notice: Mapping[str, Any], *, age_ms: int) -> None:
    """Posts a notice: a greeting, `frame`, to the connection `connection_id` unless it was greeted;
    or `frame` to every connection of `session_id`, each of which is then closed, and was greeted
    before. `age_ms` is how long the notice has waited.
    """
    if "session_id" in notice:
        _tell_end(notice["session_id"], notice["frame"])
    elif store.begin_greeting(notice["connection_id"]):
        _greet_first(notice["connection_id"], notice["frame"], age_ms=age_ms)


def _greet_first(connection_id: str, frame: Mapping[str, Any], *, age_ms: int) -> None:
    if greet(connection_id, frame):
        return
    store.withdraw_greeting(connection_id)
    if age_ms < _HANDSHAKE_MS:
        raise NotConnectedYetError(connection_id)
    logger.info("greeting dropped: the connection is gone")


def greet(connection_id: str, frame: Mapping[str, Any]) -> bool:
    """Whether somebody is there to be greeted. Two who do so at once greet twice."""
    posted = _post(connection_id, frame)
    if posted:
        store.note_greeted(connection_id)
    return posted


def _tell_end(session_id: str, frame: Mapping[str, Any]) -> None:
    for connection_id in store.connections(session_id):
        if (waiting := _not_greeted(connection_id)) and (session := store.session(session_id)):
            greet(connection_id, _greeting(waiting, session))
        _post(connection_id, frame)
        _hang_up(Connection(connection_id=connection_id, session_id=session_id))


def _greeting(waiting: Connection, ended: Session) -> frames.Frame:
    if waiting.resumed:
        return frames.resumed(ended, next_seq=ended.next_seq)
    return frames.created(ended)


def _not_greeted(connection_id: str) -> Connection | None:
    """The connection, unless it was greeted, or isn't known any more."""
    try:
        connection = store.connection_now(connection_id)
    except LookupError:
        return None
    return None if connection.greeted == "done" else connection


def still_connected(session_id: str) -> int:
    """How many connections stream into the session; those that are gone are forgotten."""
    present = 0
    for connection_id in store.connections(session_id):
        try:
            _gateway().get_connection(ConnectionId=connection_id)
        except _gateway().exceptions.GoneException:
            store.detach(Connection(connection_id=connection_id, session_id=session_id))
        else:
            present += 1
    return present


@cache
def _gateway() -> ApiGatewayManagementApiClient:
    endpoint = settings.gateway().websocket_endpoint
    return boto3.client("apigatewaymanagementapi", endpoint_url=endpoint)


def _post(connection_id: str, frame: Mapping[str, Any]) -> bool:
    """Whether somebody is there to get it."""
    try:
        _gateway().post_to_connection(ConnectionId=connection_id, Data=json.dumps(frame).encode())
    except _gateway().exceptions.GoneException:
        return False
    return True


def _hang_up(connection: Connection) -> None:
    try:
        _gateway().delete_connection(ConnectionId=connection.connection_id)
    except _gateway().exceptions.GoneException:
        logger.debug("the client was faster")
    store.detach(connection)
