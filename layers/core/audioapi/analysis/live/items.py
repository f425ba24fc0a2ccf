"""The items of live sessions in DynamoDB: read as they are now, written under conditions."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from audioapi import settings, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_dynamodb.type_defs import PutTypeDef, TransactWriteItemTypeDef

_KEPT_MS = 48 * 3600 * 1000
"""Longer than any session; what is left of it then, the table removes."""
_RESERVED = ("status", "ttl")
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html"""
_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_PASSING = {
    "None",  # of an item that was not the cause
    "TransactionConflict",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
}

_T = TypeVar("_T")


class ConditionError(Exception):
    """A transaction was not carried out, because one of its conditions doesn't hold."""


def key(session_id: str, sk: str) -> dict[str, str]:
    return {"pk": session_id, "sk": sk}


def numbered_key(session_id: str, kind: str, number: int) -> dict[str, str]:
    return key(session_id, _sk(kind, number))


def number(item: Mapping[str, Any]) -> int:
    """The number in an item's key."""
    return int(item["sk"].rpartition("#")[2])


def expiry(now: int) -> int:
    """The `ttl` of an item that is written `now`."""
    return (now + _KEPT_MS) // 1000


def get(session_id: str, sk: str) -> dict[str, Any] | None:
    found = tables.client().get_item(
        TableName=_table(), Key=tables.marshal(key(session_id, sk)), ConsistentRead=True
    )
    return tables.unmarshal(found["Item"]) if "Item" in found else None


def between(session_id: str, kind: str, first: int, last: int) -> Iterator[dict[str, Any]]:
    """The session's items of a kind whose number is one of those, in order."""
    if last < first:
        return
    wanted = {":pk": session_id, ":first": _sk(kind, first), ":last": _sk(kind, last)}
    pages = (
        tables.client()
        .get_paginator("query")
        .paginate(
            TableName=_table(),
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues=tables.marshal(wanted),
            ConsistentRead=True,
        )
    )
    for page in pages:
        yield from (tables.unmarshal(item) for item in page["Items"])


def put(item: Mapping[str, Any]) -> None:
    tables.client().put_item(TableName=_table(), Item=tables.marshal(item))


def update(
    item_key: Mapping[str, str], expression: str, condition: str, values: Mapping[str, Any]
) -> dict[str, Any] | None:
    """What the item is then; None if the condition doesn't hold."""
    used = {f"#{name}": name for name in _RESERVED if f"#{name}" in expression + condition}
    return _patiently(
        lambda: tables.update_if(_table(), item_key, expression, condition, values, names=used)
    )


def transact(writes: list[TransactWriteItemTypeDef]) -> None:
    """All of them or none. Raises ConditionError if a condition doesn't hold.

    The SDK adds a token, so that a transaction whose answer was lost isn't done twice.
    """
    try:
        _patiently(lambda: tables.client().transact_write_items(TransactItems=writes))
    except ClientError as error:
        if "ConditionalCheckFailed" in _reasons(error):
            raise ConditionError from error
        raise


def to_put(item: Mapping[str, Any], condition: str | None = None) -> TransactWriteItemTypeDef:
    written: PutTypeDef = {"TableName": _table(), "Item": tables.marshal(item)}
    if condition:
        written["ConditionExpression"] = condition
    return {"Put": written}


def to_update(
    item_key: Mapping[str, str], expression: str, condition: str, values: Mapping[str, Any]
) -> TransactWriteItemTypeDef:
    return {
        "Update": {
            "TableName": _table(),
            "Key": tables.marshal(item_key),
            "UpdateExpression": expression,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": tables.marshal(values),
        }
    }


def _patiently(write: Callable[[], _T]) -> _T:
    """Tries again what met another write of the same item, which the SDK doesn't.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
    """
    for pause in _PAUSES:
        try:
            return write()
        except ClientError as error:
            if not _is_passing(error):
                raise
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 — nothing secret
    return write()


def _is_passing(error: ClientError) -> bool:
    reasons = _reasons(error)
    conflict = error.response["Error"]["Code"] == "TransactionConflictException"
    return conflict or (bool(reasons) and reasons <= _PASSING)


def _reasons(error: ClientError) -> set[str]:
    """Why a transaction was cancelled; empty if the error is another one."""
    response: dict[str, Any] = {**error.response}
    return {reason["Code"] for reason in response.get("CancellationReasons", [])}


def _sk(kind: str, nth: int) -> str:
    return f"{kind}#{nth:09d}"


def _table() -> str:
    return settings.analysis().analysis_table
