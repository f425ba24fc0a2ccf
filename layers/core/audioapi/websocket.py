"""What every WebSocket function shares: the event's fields, identity, and frames for failures.

A handshake is refused by a status code; its body only reaches clients of the local gateway.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from audioapi import identity, problems
from audioapi.observe import logger, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from audioapi.identity import Principal

Event = dict[str, Any]
Frame = dict[str, Any]
Response = dict[str, Any]


def query(event: Event) -> Mapping[str, str]:
    return event.get("queryStringParameters") or {}


def caller(event: Event) -> Principal | None:
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    return identity.authenticate(headers, query(event))


def connection_id(event: Event) -> str:
    return str(event["requestContext"]["connectionId"])


def received_at(event: Event) -> int:
    """When the gateway received the message, in epoch milliseconds."""
    return int(event["requestContext"]["requestTimeEpoch"])


def connect_handler(
    connect: Callable[[Event], None],
) -> Callable[[Event, LambdaContext], Response]:
    """A `$connect` handler: what `connect` raises refuses the handshake."""

    @logger.inject_lambda_context(clear_state=True)
    def lambda_handler(event: Event, _: LambdaContext) -> Response:
        _note(event)
        try:
            connect(event)
        except problems.AudioApiError as error:
            logger.info("connection refused", code=error.code, detail=error.detail)
            measure({"Failures": 1}, code=error.code)
            return _refusal(event, error)
        except Exception:  # noqa: BLE001 — the outermost edge: the gateway gets a clean 500
            logger.exception("connection failed")
            measure({"Failures": 1}, code=problems.INTERNAL.code)
            return _refusal(event, problems.INTERNAL)
        return {"statusCode": 200}

    return lambda_handler


def message_handler(
    message: Callable[[Event], Frame | None],
) -> Callable[[Event, LambdaContext], Response]:
    """A message handler: the frame that `message` returns, if any, is the route's response."""

    @logger.inject_lambda_context(clear_state=True)
    def lambda_handler(event: Event, _: LambdaContext) -> Response:
        _note(event)
        frame = message(event)
        return (
            {"statusCode": 200} if frame is None else {"statusCode": 200, "body": json.dumps(frame)}
        )

    return lambda_handler


def _note(event: Event) -> None:
    """What log lines of this message, and of the work that it causes, are found by."""
    logger.append_keys(connection_id=connection_id(event))
    logger.set_correlation_id(event["requestContext"]["requestId"])


def _refusal(event: Event, error: problems.AudioApiError) -> Response:
    return {
        "statusCode": int(error.status),
        "headers": {"content-type": problems.CONTENT_TYPE},
        "body": json.dumps(problems.body(error, event["requestContext"]["requestId"])),
    }
