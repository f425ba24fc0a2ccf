"""How many sessions are active, for MAX_CONCURRENT_SESSIONS.

One number, changed by conditional writes; what a crash between two writes leaves wrong in it, the
sweeper puts right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioapi import settings, tables

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY = {"pk": "counter", "sk": "sessions"}


def count_in(limit: int) -> bool:
    """Counts one more active session; False if there are `limit` already."""
    below = "attribute_not_exists(active) OR active < :limit"
    return _write("ADD active :one", below, {":one": 1, ":limit": limit})


def count_out() -> None:
    """Counts one active session less."""
    _write("ADD active :less", "active > :none", {":less": -1, ":none": 0})


def counted() -> int:
    """How many active sessions are counted."""
    table = settings.streaming().streams_table
    found = tables.client().get_item(TableName=table, Key=tables.marshal(_KEY), ConsistentRead=True)
    return int(tables.unmarshal(found.get("Item", {})).get("active", 0))


def recount(active: int, *, counted_before: int) -> None:
    """Puts the count right, unless sessions came or went since it was `counted_before`."""
    unchanged = "attribute_not_exists(active) OR active = :before"
    _write("SET active = :active", unchanged, {":active": active, ":before": counted_before})


def _write(update: str, condition: str, values: Mapping[str, int]) -> bool:
    table = settings.streaming().streams_table
    return tables.update_if(table, _KEY, update, condition, values) is not None
