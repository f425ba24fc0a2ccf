"""What all conversations of this deployment came to: events, streams, and how long analysers take.

The totals are one DynamoDB item to which every flush adds at once. A consumer of events is counted
as long as it says that it is there: one that died drops out by itself.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from audioapi import settings, tables
from audioapi.analysis.agents import Agent
from audioapi.analysis.models import EventType
from audioapi.observe import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Stream = Literal["opened", "closed", "resumed", "events_sent", "bytes_sent"]
STREAMS: tuple[Stream, ...] = ("opened", "closed", "resumed", "events_sent", "bytes_sent")

BORDERS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 900_000)
"""Milliseconds up to which a histogram's buckets reach, but for its last, which has no end."""

_PARTITION = "metrics"
_TOTALS = "totals"
_DELIVERY = "delivery"
_PRESENT_SECONDS = 60
_KEPT_SECONDS = 3600
_MOST_AT_ONCE = 60
"""An update's expression may have 4 KB; a conversation adds about forty numbers.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""


@dataclass
class Histogram:
    """How many calls took how long: `buckets` by the index of the border that they stayed below."""

    buckets: Counter[int] = field(default_factory=Counter)
    total_ms: float = 0.0

    def add(self, latencies_ms: Iterable[float]) -> None:
        for latency in latencies_ms:
            self.buckets[bisect_left(BORDERS_MS, latency)] += 1
            self.total_ms += latency

    @property
    def count(self) -> int:
        return self.buckets.total()

    def cumulative(self) -> list[int]:
        """How many stayed below each border, and how many there are."""
        return [*accumulate(self.buckets[index] for index in range(len(BORDERS_MS) + 1))]

    def quantile(self, part: float) -> float:
        """The border below which that part of the calls stayed."""
        reached = bisect_left(self.cumulative(), part * self.count)
        return BORDERS_MS[min(reached, len(BORDERS_MS) - 1)]

    def as_json(self) -> dict[str, float]:
        """p50, p95 and max are a bucket's upper border."""
        if not self.count:
            return {"count": 0}
        return {
            "count": self.count,
            "mean": round(self.total_ms / self.count, 1),
            "p50": self.quantile(0.5),
            "p95": self.quantile(0.95),
            "max": self.quantile(1),
        }


@dataclass
class Totals:
    """Since the table was made; `delivery` is from an event's making to its sending."""

    events: Counter[EventType] = field(default_factory=Counter)
    streams: Counter[Stream] = field(default_factory=Counter)
    agents: dict[Agent, Histogram] = field(
        default_factory=lambda: {agent: Histogram() for agent in Agent}
    )
    delivery: Histogram = field(default_factory=Histogram)


@dataclass(frozen=True)
class Snapshot:
    """The totals, and how many consumers there are at the moment."""

    totals: Totals
    consumers: int

    def as_json(self) -> dict[str, Any]:
        totals = self.totals
        return {
            "events": {event.value: totals.events[event] for event in EventType},
            "agent_latency_ms": {
                agent.value: taken.as_json() for agent, taken in totals.agents.items()
            },
            "sse": {
                "consumers": self.consumers,
                **{name: totals.streams[name] for name in STREAMS},
                "delivery_ms": totals.delivery.as_json(),
            },
        }


class Consumer:
    """One stream of events that is open: say `renew` more often than once in half a minute, and
    `leave` at its end. `token` is the stream's own.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._until = 0

    def renew(self) -> None:
        """Writes at most twice a minute, however often it is said."""
        now = int(time.time())
        if self._until - now < _PRESENT_SECONDS / 2:
            self._until = now + _PRESENT_SECONDS
            self._note("SET #ttl = :ttl", {":ttl": self._until + _KEPT_SECONDS})

    def leave(self) -> None:
        self._note("SET gone = :gone, #ttl = :ttl", {":gone": True, ":ttl": self._until})

    def _note(self, update: str, values: Mapping[str, Any]) -> None:
        key = f"{_consumers_from(self._until)}#{self._token}"
        _forgiven(lambda: _update(key, update, {"#ttl": "ttl"}, values))


def count(
    *,
    events: Mapping[EventType, int] | None = None,
    latencies: Mapping[Agent, Sequence[float]] | None = None,
    streams: Mapping[Stream, int] | None = None,
    delivery_ms: Sequence[float] = (),
) -> None:
    """Adds to the totals, in one request if it's not very much: for an utterance or a stream, not
    for each event. Latencies are in milliseconds. What can't be counted is not worth a failure:
    it's logged.
    """
    totals = Totals(Counter(events or {}), Counter(streams or {}))
    for agent, taken in (latencies or {}).items():
        totals.agents[agent].add(taken)
    totals.delivery.add(delivery_ms)
    numbers = _numbers(totals)
    while added := dict(islice(numbers, _MOST_AT_ONCE)):
        _forgiven(partial(_add, added))


def snapshot() -> Snapshot:
    found = tables.client().get_item(
        TableName=_table(), Key=tables.marshal({"pk": _PARTITION, "sk": _TOTALS})
    )
    return Snapshot(_totals(tables.unmarshal(found.get("Item", {}))), _consumers())


def _numbers(totals: Totals) -> Iterator[tuple[str, float]]:
    """The totals as an item's attributes: only the top ones can be added to without a value."""
    for event, times in totals.events.items():
        yield f"events/{event.value}", times
    for name, times in totals.streams.items():
        yield f"streams/{name}", times
    for place, histogram in _histograms(totals):
        for bucket, times in histogram.buckets.items():
            yield f"{place}/{bucket}", times
        if histogram.count:
            yield f"{place}/ms", round(histogram.total_ms, 3)


def _histograms(totals: Totals) -> Iterator[tuple[str, Histogram]]:
    yield _DELIVERY, totals.delivery
    for agent, histogram in totals.agents.items():
        yield f"agents/{agent.value}", histogram


def _totals(item: Mapping[str, Any]) -> Totals:
    totals = Totals(
        Counter({event: item.get(f"events/{event.value}", 0) for event in EventType}),
        Counter({name: item.get(f"streams/{name}", 0) for name in STREAMS}),
    )
    for place, histogram in _histograms(totals):
        histogram.total_ms = item.get(f"{place}/ms", 0.0)
        for bucket in range(len(BORDERS_MS) + 1):
            histogram.buckets[bucket] = item.get(f"{place}/{bucket}", 0)
    return totals


def _add(added: Mapping[str, float]) -> None:
    names = {f"#n{index}": name for index, name in enumerate(added)}
    values = {f":v{index}": number for index, number in enumerate(added.values())}
    pairs = ", ".join(f"#n{index} :v{index}" for index in range(len(added)))
    _update(_TOTALS, f"ADD {pairs}", names, values)


def _update(
    sort_key: str, update: str, names: Mapping[str, str], values: Mapping[str, Any]
) -> None:
    tables.client().update_item(
        TableName=_table(),
        Key=tables.marshal({"pk": _PARTITION, "sk": sort_key}),
        UpdateExpression=update,
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=tables.marshal(values),
    )


def _consumers() -> int:
    """Sorted by the end of their presence, those that are long gone aren't even read."""
    pages = (
        tables.client()
        .get_paginator("query")
        .paginate(
            TableName=_table(),
            KeyConditionExpression="pk = :pk AND sk BETWEEN :now AND :ever",
            ExpressionAttributeValues=tables.marshal(
                {":pk": _PARTITION, ":now": _consumers_from(int(time.time())), ":ever": "consumer$"}
            ),
        )
    )
    present: dict[str, bool] = {}
    for page in pages:
        for item in map(tables.unmarshal, page["Items"]):
            token = item["sk"].split("#", 2)[2]
            present[token] = present.get(token, True) and not item.get("gone", False)
    return sum(present.values())


def _consumers_from(until: int) -> str:
    return f"consumer#{until:010d}"


def _forgiven(write: Callable[[], None]) -> None:
    try:
        write()
    except (BotoCoreError, ClientError) as error:
        logger.warning("not counted", reason=type(error).__name__)


def _table() -> str:
    return settings.analysis().analysis_table
