"""DynamoDB as plain Python values: the client, made once, the two conversions around it, and writes
that are carried out once.

An answer may be lost on its way: then the SDK asks again, and the condition of a write that has
been carried out fails, as if somebody else had been faster. So each conditional write leaves a
mark in its item, by which it is known again.
"""

from __future__ import annotations

import secrets
import time
from decimal import Decimal
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

_serializer = TypeSerializer()
_deserializer = TypeDeserializer()


_PAUSES = (0.05, 0.1, 0.2, 0.4)
"""Seconds before a counting write is tried again."""


@cache
def client() -> DynamoDBClient:
    return boto3.client("dynamodb")


@cache
def _client_that_asks_once() -> DynamoDBClient:
    return boto3.client("dynamodb", config=Config(retries={"total_max_attempts": 1}))


def marshal(values: Mapping[str, Any]) -> dict[str, Any]:
    """Attribute values for a request; None is left out, as an absent attribute is."""
    return {
        name: _serializer.serialize(Decimal(str(value)) if isinstance(value, float) else value)
        for name, value in values.items()
        if value is not None
    }


def unmarshal(item: Mapping[str, Any]) -> dict[str, Any]:
    """Python values of an item; whole numbers as int, others as float."""
    return {name: _plain(_deserializer.deserialize(value)) for name, value in item.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def put_new(table: str, item: Mapping[str, Any], *, key: str) -> bool:
    """Puts an item unless there is one of its key, of which `key` is an attribute; whether it was
    put.
    """
    mark = _new_mark()
    try:
        client().put_item(
            TableName=table,
            Item=marshal({**item, _MARK: mark}),
            ConditionExpression=f"attribute_not_exists({key})",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        if condition_failed(error):
            return _own(error, mark) is not None
        raise
    return True


def update_if(  # noqa: PLR0913 — a conditional update has so many parts
    table: str,
    key: Mapping[str, str],
    update: str,
    condition: str,
    values: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
) -> dict[str, Any] | None:
    """Updates an item once if the condition holds: what it is then, None if it doesn't hold.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
    """
    mark = _new_mark()
    request = _update_request(table, key, update, condition, names)
    return _updated(client(), request, values, mark)


def count_if(  # noqa: PLR0913 — the same, and one more
    table: str,
    key: Mapping[str, str],
    update: str,
    condition: str,
    values: Mapping[str, Any],
    *,
    again: Mapping[str, Any],
    names: Mapping[str, str] | None = None,
) -> tuple[dict[str, Any] | None, bool]:
    """The same of an item that many write at once, of which one may have put its mark in place of
    ours before we ask again. If it isn't known whether the first try was carried out, the `again`
    ones are used in place of those `values`: what they count is rather missed than counted twice.
    The second of what is returned says whether it was so.
    """
    mark, in_doubt = _new_mark(), False
    request = _update_request(table, key, update, condition, names)
    for pause in _PAUSES:
        try:
            return _updated(_client_that_asks_once(), request, values, mark), in_doubt
        except (BotoCoreError, ClientError) as error:
            if not _was_refused(error):
                values, in_doubt = {**values, **again}, True
        time.sleep(pause)
    return _updated(_client_that_asks_once(), request, values, mark), in_doubt


def _was_refused(error: Exception) -> bool:
    """Whether it says that nothing was carried out: a throttle does, no answer doesn't."""
    return isinstance(error, ClientError) and error.response["ResponseMetadata"].get(
        "HTTPStatusCode"
    ) in (HTTPStatus.BAD_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE)


def _update_request(
    table: str,
    key: Mapping[str, str],
    update: str,
    condition: str,
    names: Mapping[str, str] | None,
) -> dict[str, Any]:
    named = {"ExpressionAttributeNames": names} if names else {}  # empty ones are refused
    return {
        "TableName": table,
        "Key": marshal(key),
        "UpdateExpression": _marking(update),
        "ConditionExpression": f"({condition}) AND NOT {_MARK} = :{_MARK}",
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        **named,
    }


def _updated(
    asked: DynamoDBClient, request: Mapping[str, Any], values: Mapping[str, Any], mark: str
) -> dict[str, Any] | None:
    try:
        updated = asked.update_item(
            **request, ExpressionAttributeValues=marshal({**values, f":{_MARK}": mark})
        )
    except ClientError as error:
        if condition_failed(error):
            return _own(error, mark)
        raise
    return unmarshal(updated["Attributes"])


def condition_failed(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"


_MARK = "mark"


def _new_mark() -> str:
    return secrets.token_urlsafe(8)  # short, for what is written costs by the kilobyte


def _marking(update: str) -> str:
    """The expression, and the mark set; each of its clauses may be there once."""
    if "SET " in update:
        return update.replace("SET ", f"SET {_MARK} = :{_MARK}, ", 1)
    return f"SET {_MARK} = :{_MARK} {update}"


def _own(error: ClientError, mark: str) -> dict[str, Any] | None:
    """The item that the condition failed on, if it is as this very write has left it."""
    response: Any = error.response
    item = unmarshal(response.get("Item", {}))
    return item if item.get(_MARK) == mark else None
