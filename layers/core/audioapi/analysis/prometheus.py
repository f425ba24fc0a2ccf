"""The metrics as Prometheus reads them. Names and labels are ours, so nothing has to be escaped.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from audioapi.analysis.metrics import BORDERS_MS, STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from audioapi.analysis.metrics import Histogram, Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_WEIGHT = re.compile(r"q=[01](\.\d{0,3})?")
_BORDERS = (*(f"{border / 1000:g}" for border in BORDERS_MS), "+Inf")


def is_wanted(accept: str) -> bool:
    """Whether plain text is wanted rather than JSON, in the words of an Accept header: not by the
    clients that take either, as axios does.
    """
    weights = dict(map(_weighted, accept.lower().split(",")))
    return weights.get("text/plain", 0.0) > weights.get("application/json", 0.0)


def text(snapshot: Snapshot) -> str:
    return "\n".join([*_lines(snapshot), ""])


def _weighted(media_range: str) -> tuple[str, float]:
    """https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2"""
    media_type, *parameters = (part.strip() for part in media_range.split(";"))
    weights = [value for value in parameters if _WEIGHT.fullmatch(value)]
    return media_type, float(weights[0].removeprefix("q=")) if weights else 1.0


def _lines(snapshot: Snapshot) -> Iterator[str]:
    totals = snapshot.totals
    name = "audioapi_analysis_events_total"
    yield from _described(name, "counter", "Events that conversations' consumers are told.")
    for event, times in totals.events.items():
        yield f'{name}{{type="{event.value}"}} {times}'
    name = "audioapi_analysis_agent_latency_seconds"
    yield from _described(name, "histogram", "How long an analyser's calls took.")
    for agent, histogram in totals.agents.items():
        yield from _histogram(name, histogram, [f'agent="{agent.value}"'])
    name = "audioapi_sse_consumers"
    yield from _described(name, "gauge", "Streams of events that are open.")
    yield f"{name} {snapshot.consumers}"
    for stream in STREAMS:
        name = f"audioapi_sse_{stream}_total"
        yield from _described(name, "counter", f"Streams of events: {stream.replace('_', ' ')}.")
        yield f"{name} {totals.streams[stream]}"
    name = "audioapi_sse_delivery_seconds"
    yield from _described(name, "histogram", "From an event's making to its sending.")
    yield from _histogram(name, totals.delivery, [])


def _described(name: str, kind: str, about: str) -> Iterable[str]:
    return f"# HELP {name} {about}", f"# TYPE {name} {kind}"


def _histogram(name: str, histogram: Histogram, labels: list[str]) -> Iterator[str]:
    for border, below in zip(_BORDERS, histogram.cumulative(), strict=True):
        bucket = _labelled([*labels, f'le="{border}"'])
        yield f"{name}_bucket{bucket} {below}"
    yield f"{name}_sum{_labelled(labels)} {histogram.total_ms / 1000:.6f}"
    yield f"{name}_count{_labelled(labels)} {histogram.count}"


def _labelled(labels: list[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""
