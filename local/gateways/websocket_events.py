"""What happens on a WebSocket as the events that API Gateway makes of it, and the route each takes.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api.html
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from local.gateways.integration import clock, new_id, trace_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from websockets.datastructures import Headers

_HOP_BY_HOP = frozenset({"connection", "upgrade"})

# The reasons that API Gateway gives when the close frame carries none.
_REASONS = {
    1000: "Connection Closed Normally",
    1001: "Going away",
    1005: "Client-side close frame status not set",
}


@dataclass(frozen=True)
class Caller:
    """A connection as every one of its events names it; `connected_at` is in epoch milliseconds."""

    api_id: str
    stage: str
    connection_id: str
    connected_at: int
    domain_name: str
    source_ip: str
    user_agent: str | None

    def identity(self) -> dict[str, str]:
        agent = {"userAgent": self.user_agent} if self.user_agent is not None else {}
        return {**agent, "sourceIp": self.source_ip}


def connect_event(caller: Caller, headers: Headers, query: str, at: int) -> dict[str, Any]:
    """Build the `$connect` event, the only one with the handshake's headers and query."""
    forwarded = [item for item in headers.raw_items() if item[0].lower() not in _HOP_BY_HOP]
    forwarded.append(("X-Amzn-Trace-Id", trace_id(at)))
    parameters = parse_qsl(query, keep_blank_values=True)
    return {
        "headers": dict(forwarded),
        "multiValueHeaders": _multiple(forwarded),
        **({"queryStringParameters": dict(parameters)} if parameters else {}),
        **({"multiValueQueryStringParameters": _multiple(parameters)} if parameters else {}),
        "requestContext": _context(caller, "$connect", "CONNECT", new_id(), at),
        "isBase64Encoded": False,
    }


def message_event(
    caller: Caller, route_key: str, message: str | bytes, request_id: str, at: int
) -> dict[str, Any]:
    """Build the event of one message; bytes, which only the local gateway takes, are base64."""
    context = _context(caller, route_key, "MESSAGE", request_id, at)
    binary = isinstance(message, bytes)
    return {
        "requestContext": {**context, "messageId": new_id()},
        "body": base64.b64encode(message).decode() if isinstance(message, bytes) else message,
        "isBase64Encoded": binary,
    }


def disconnect_event(caller: Caller, code: int, reason: str, at: int) -> dict[str, Any]:
    """Build the `$disconnect` event with the four headers, mostly empty, that AWS gives it."""
    headers = {"Host": caller.domain_name, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    context = _context(caller, "$disconnect", "DISCONNECT", new_id(), at)
    return {
        "headers": headers,
        "multiValueHeaders": _multiple(headers.items()),
        "requestContext": {
            **context,
            "disconnectStatusCode": code,
            "disconnectReason": reason or _REASONS.get(code, ""),
        },
        "isBase64Encoded": False,
    }


def select_route(expression: str, routes: Collection[str], message: str | bytes) -> str | None:
    """Return the key of the route that a message takes, or None if there is none for it.

    `expression` is a RouteSelectionExpression such as `$request.body.action`.
    """
    selected = _evaluate(expression, message)
    if selected in routes and not selected.startswith("$"):
        return selected
    return "$default" if "$default" in routes else None


def _evaluate(expression: str, message: str | bytes) -> str:
    """Return the string that the expression finds in a message of JSON, or an empty one."""
    if isinstance(message, bytes):
        return ""
    path = expression.strip("${}").removeprefix("request.body").split(".")[1:]
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        return ""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _context(
    caller: Caller, route_key: str, event_type: str, request_id: str, at: int
) -> dict[str, Any]:
    return {
        "routeKey": route_key,
        "eventType": event_type,
        "extendedRequestId": request_id,
        "requestTime": clock(at),
        "messageDirection": "IN",
        "stage": caller.stage,
        "connectedAt": caller.connected_at,
        "requestTimeEpoch": at,
        "identity": caller.identity(),
        "requestId": request_id,
        "domainName": caller.domain_name,
        "connectionId": caller.connection_id,
        "apiId": caller.api_id,
    }


def _multiple(pairs: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values
