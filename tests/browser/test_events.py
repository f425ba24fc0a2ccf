"""The EventSource client that seed 004 published, in a real browser: unchanged but for the session.

A browser resumes by itself, follows redirects to another origin, and sends no key in a header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import page
from tests.e2e import live
from tests.e2e.stack import kill

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.stack import Stack

pytestmark = pytest.mark.xdist_group("browser")

PUBLISHED = """
const eventSource = new EventSource('/analyze/live/session123/events');

eventSource.addEventListener('error', (event) => {
  const errorData = JSON.parse(event.data);
  console.error(`SSE Error [${errorData.code}]: ${errorData.message}`);
  
  if (errorData.code === 'STREAM_FAILURE') {
    eventSource.close();
    // Implement retry or fallback logic
  }
});
"""  # noqa: W293 — as it is
RECORDER = """
const types = ["status", "partial_transcript", "final_transcript", "emotion", "cognitive",
  "transition", "moment", "summary_update", "error", "done"];
for (const type of types)
  eventSource.addEventListener(type, (event) => {
    if (event.data === undefined) return;  // the connection's own error
    if (type === "done") eventSource.close();
    report({type, data: JSON.parse(event.data), id: event.lastEventId});
    if (eventSource.readyState === EventSource.CLOSED) report("closed");
  });
eventSource.onopen = () => report("open");
eventSource.onerror = (event) => {
  if (event.data === undefined && eventSource.readyState === EventSource.CLOSED) report("given up");
};
"""


def script(session: live.Live) -> str:
    events = f"{session.id}/events?api_key={session.stack.api_key}"
    return PUBLISHED.replace("session123/events", events) + RECORDER


def heard(opened: page.Page, *, until: str) -> list[Any]:
    """The events that the page is told before it reports that."""
    events = []
    while (report := opened.report()) != until:
        assert report != "given up"
        events.append(report)
    return events


def numbers(events: list[Any]) -> list[int]:
    return [int(event["id"].split(".")[0]) for event in events]


def test_a_page_hears_a_conversation(stack: Stack, tmp_path: Path) -> None:
    session = live.start(stack)
    with page.opened(script(session), tmp_path / "profile", base=stack.url) as opened:
        assert opened.report() == "open"
        session.speak(live.conversation(1.2, 1.0), speed=4)
        session.control("finalize")
        events = heard(opened, until="closed")
    types = [event["type"] for event in events]
    assert types[-3:] == ["summary_update", "status", "done"]
    assert types.count("final_transcript") == 2
    assert numbers(events) == list(range(1, len(events) + 1))


def test_a_page_is_told_of_a_failure_and_leaves(stack: Stack, tmp_path: Path) -> None:
    session = live.start(stack)
    with page.opened(script(session), tmp_path / "profile", base=stack.url) as opened:
        assert opened.report() == "open"
        session.control("cancel", reason="the call was a mistake")
        events = heard(opened, until="closed")
    assert events[-1]["data"]["code"] == "STREAM_FAILURE"


def test_a_page_resumes_where_its_connection_was_cut(stack: Stack, tmp_path: Path) -> None:
    """Behind the first event, by whose id the service knows the page again."""
    session = live.start(stack)
    with page.opened(script(session), tmp_path / "profile", base=stack.url) as opened:
        assert opened.report() == "open"
        events = [opened.report()]
        kill(*stack.processes("LiveEventsFunction"))
        events += heard(opened, until="open")
        session.control("cancel")
        events += heard(opened, until="closed")
    assert numbers(events) == list(range(1, len(events) + 1))
