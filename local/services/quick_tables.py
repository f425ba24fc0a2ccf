"""moto's tables without going through all of one for a transaction or a query, which would cost the
more the longer a stack runs.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.models.table import Table

    Operations: TypeAlias = Sequence[Mapping[str, Mapping[str, Any]]]


class Instead:
    """Another object, for a method of its own, but for some attributes."""

    def __init__(self, other: object, **attributes: object) -> None:
        self._other = other
        vars(self).update(attributes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._other, name)


@dataclass(frozen=True)
class Place:
    """Where an item of a table is, or would be."""

    table: Table
    hash_key: DynamoType
    range_key: DynamoType | None

    def copied(self) -> Item | None:
        return deepcopy(self.table.get_item(self.hash_key, self.range_key))

    def put_back(self, item: Item | None) -> None:
        items: Any = self.table.items
        self.table.delete_item(self.hash_key, self.range_key)
        if item and self.range_key:
            items[self.hash_key][self.range_key] = item
        elif item:
            items[self.hash_key] = item


def undone_alone(transact: Callable[..., None]) -> Callable[..., None]:
    """A transaction that copies the items it writes to in case it fails, and not each table."""

    @wraps(transact)
    def transact_write_items(self: DynamoDBBackend, transact_items: Operations) -> None:
        before = [(place, place.copied()) for place in places(self.tables, transact_items)]
        try:
            transact(Instead(self, tables={}), transact_items)
        except Exception:
            for place, item in before:
                place.put_back(item)
            raise

    return transact_write_items


def places(tables: Mapping[str, Table], operations: Operations) -> Iterator[Place]:
    """moto refuses an operation that names no table or no key."""
    for operation in (each for one in operations for each in one.values()):
        table = tables.get(operation.get("TableName", ""))
        key = operation.get("Key") or operation.get("Item") or {}
        if table and key.keys() >= {table.hash_key_attr, table.range_key_attr} - {None}:
            ranged = DynamoType(key[table.range_key_attr]) if table.range_key_attr else None
            yield Place(table, DynamoType(key[table.hash_key_attr]), ranged)


def within_partition(query: Callable[..., Any]) -> Callable[..., Any]:
    """A query by a table's own key that looks at that key's items only."""
    signed = signature(query)

    @wraps(query)
    def query_partition(self: Table, *given: Any, **named: Any) -> Any:
        asked = signed.bind(self, *given, **named).arguments
        if asked.get("index_name"):
            return query(self, *given, **named)
        found: Any = self.items.get(asked["hash_key"], {})
        items = list(found.values() if self.range_key_attr else filter(None, [found]))
        return query(Instead(self, all_items=lambda: items), *given, **named)

    return query_partition
