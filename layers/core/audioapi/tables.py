"""DynamoDB as plain Python values: the client, made once, and the two conversions around it."""

from __future__ import annotations

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
    try:
        client().put_item(
            TableName=table,
            Item=marshal(item),
            ConditionExpression=f"attribute_not_exists({key})",
        )
    except ClientError as error:
        if condition_failed(error):
            return False
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
    """Updates an item if the condition holds: what it is then, None if it doesn't hold.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
    """
    named: Any = {"ExpressionAttributeNames": names} if names else {}  # empty ones are refused
    try:
        updated = client().update_item(
            TableName=table,
            Key=marshal(key),
            UpdateExpression=update,
            ConditionExpression=condition,
            ExpressionAttributeValues=marshal(values),
            ReturnValues="ALL_NEW",
            **named,
        )
    except ClientError as error:
        if condition_failed(error):
            return None
        raise
    return unmarshal(updated["Attributes"])


def condition_failed(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"
