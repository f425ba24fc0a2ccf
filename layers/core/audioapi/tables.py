"""DynamoDB as plain Python values: the client, made once, the two conversions around it, and writes
that are carried out once.

An answer may be lost on its way: then the SDK asks again, and the condition of a write that has
been carried out fails, as if somebody else had been faster. So each conditional write leaves a
mark in its item, by which it is known again.
"""

from __future__ import annotations

import secrets
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

_serializer = TypeSerializer()
_deserializer = TypeDeserializer()


@cache
def client() -> DynamoDBClient:
    return boto3.client("dynamodb")


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
    named: Any = {"ExpressionAttributeNames": names} if names else {}  # empty ones are refused
    try:
        updated = client().update_item(
            TableName=table,
            Key=marshal(key),
            UpdateExpression=_marking(update),
            ConditionExpression=f"({condition}) AND NOT {_MARK} = :{_MARK}",
            ExpressionAttributeValues=marshal({**values, f":{_MARK}": mark}),
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **named,
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
