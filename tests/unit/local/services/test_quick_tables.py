"""moto's tables, quickened, are the same tables; what they cost doesn't grow with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from moto.dynamodb.exceptions import MockValidationException, TransactionCanceledException
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

from local.services import quick_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE = "events"
RANGED, PLAIN = ("pk", "sk"), ("pk",)
IMPOSSIBLE = {
    "Update": {
        "TableName": TABLE,
        "Key": {"pk": {"S": "nowhere"}, "sk": {"S": "0"}},
        "UpdateExpression": "SET heard = :true",
        "ConditionExpression": "attribute_exists(pk)",
        "ExpressionAttributeValues": {":true": {"BOOL": True}},
    }
}


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> DynamoDBBackend:
    transact = quick_tables.undone_alone(DynamoDBBackend.transact_write_items)
    monkeypatch.setattr(DynamoDBBackend, "transact_write_items", transact)
    return DynamoDBBackend("us-east-1", "123456789012")


def table(moto: DynamoDBBackend, keys: tuple[str, ...] = RANGED) -> Table:
    kinds = ("HASH", "RANGE")
    return moto.create_table(
        TABLE,
        schema=[{"AttributeName": k, "KeyType": t} for k, t in zip(keys, kinds, strict=False)],
        throughput=None,
        attr=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        global_indexes=None,
        indexes=None,
        streams=None,
        billing_mode="PAY_PER_REQUEST",
        sse_specification=None,
        tags=[],
        deletion_protection_enabled=None,
        warm_throughput=None,
    )


def item(keys: tuple[str, ...], number: int, **more: Any) -> dict[str, Any]:
    return {**{key: {"S": str(number)} for key in keys}, **more}


def kept(moto: DynamoDBBackend) -> list[Mapping[str, Any]]:
    return [each.to_json()["Attributes"] for each in moto.tables[TABLE].all_items()]


@pytest.mark.parametrize("keys", [RANGED, PLAIN])
def test_a_transaction_that_fails_leaves_all_as_it_was(
    moto: DynamoDBBackend, keys: tuple[str, ...]
) -> None:
    table(moto, keys)
    for number in range(3):
        moto.put_item(TABLE, item(keys, number, said={"L": [{"S": "word"}]}))
    before = kept(moto)
    changed = {
        "TableName": TABLE,
        "Key": item(keys, 1),
        "UpdateExpression": "SET said = list_append(said, :more)",
        "ExpressionAttributeValues": {":more": {"L": [{"S": "another"}]}},
    }
    impossible = {"Update": {**IMPOSSIBLE["Update"], "Key": item(keys, 7)}}
    with pytest.raises(TransactionCanceledException):
        moto.transact_write_items(
            [
                {"Delete": {"TableName": TABLE, "Key": item(keys, 0)}},
                {"Update": changed},
                {"Put": {"TableName": TABLE, "Item": item(keys, 2)}},
                {"Put": {"TableName": TABLE, "Item": item(keys, 3)}},
                impossible,
            ]
        )
    assert kept(moto) == before


def test_a_transaction_copies_no_more_than_it_writes(
    moto: DynamoDBBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(moto)
    for number in range(100):
        moto.put_item(TABLE, item(RANGED, number))
    copied: list[Item] = []
    copy = Item.__deepcopy__

    def count(one: Item, memo: dict[int, Any]) -> Item:
        copied.append(one)
        return copy(one, memo)

    monkeypatch.setattr(Item, "__deepcopy__", count)
    moto.transact_write_items([{"Put": {"TableName": TABLE, "Item": item(RANGED, 5)}}])
    assert len(copied) == 1


def test_what_names_no_table_or_no_key_is_refused_as_by_moto(moto: DynamoDBBackend) -> None:
    table(moto)
    nameless = {"Put": {"TableName": "unknown", "Item": item(RANGED, 1)}}
    keyless = {"Delete": {"TableName": TABLE, "Key": {"pk": {"S": "1"}}}}
    for operation in (nameless, keyless):
        with pytest.raises((TransactionCanceledException, MockValidationException)):
            moto.transact_write_items([operation])


@pytest.mark.parametrize("keys", [RANGED, PLAIN])
def test_a_query_finds_what_motos_own_does_without_going_through_all(
    moto: DynamoDBBackend, keys: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = table(moto, keys)
    for number in range(9):
        moto.put_item(TABLE, {"pk": {"S": f"s{number % 3}"}, "sk": {"S": str(number)}})
    quick = quick_tables.within_partition(Table.query)
    asked: list[Any] = [
        (DynamoType({"S": key}), None, [], 100, None, True, None) for key in ("s1", "none")
    ]
    found = [events.query(*each) for each in asked]
    assert found[0][1] > 0
    monkeypatch.delattr(Table, "all_items")
    assert [quick(events, *each) for each in asked] == found
