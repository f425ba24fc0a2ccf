"""The EventSource client that seed 004 published, in a real browser: unchanged but for the session.

A browser resumes by itself, follows redirects to another origin, and sends no key in a header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
const seen = [];
const types = ["status", "partial_transcript", "final_transcript", "emotion", "cognitive",
  "transition", "moment", "summary_update", "error", "done"];
for (const type of types)
  eventSource.addEventListener(type, (event) => {
    if (event.data === undefined) return;  // the connection's own error
    seen.push({type, data: JSON.parse(event.data), id: event.lastEventId});
    if (type === "done") eventSource.close();
    if (type === "done" || eventSource.readyState === 2)
      report({seen, state: eventSource.readyState});
  });
eventSource.onopen = () => report("open");
"""


def script(session: live.Live) -> str:
    events = f"{session.id}/events?api_key={session.stack.api_key}"
    return PUBLISHED.replace("session123/events", events) + RECORDER


def test_a_page_hears_a_conversation(stack: Stack, tmp_path: Path) -> None:
    session = live.start(stack)
    with page.opened(script(session), tmp_path / "profile", base=stack.url) as opened:
        assert opened.report() == "open"
        session.speak(live.conversation(2.5, 3.0), speed=4)
        session.control("finalize")
        heard = opened.report()["seen"]
    assert [event["type"] for event in heard][-3:] == ["summary_update", "status", "done"]
    assert [event["type"] for event in heard].count("final_transcript") == 2
    assert [int(event["id"].split(".")[0]) for event in heard] == list(range(1, len(heard) + 1))


def test_a_page_is_told_of_a_failure_and_leaves(stack: Stack, tmp_path: Path) -> None:
    session = live.start(stack)
    with page.opened(script(session), tmp_path / "profile", base=stack.url) as opened:
        assert opened.report() == "open"
        session.control("cancel", reason="the call was a mistake")
        told = opened.report()
    assert told["seen"][-1]["data"]["code"] == "STREAM_FAILURE"
    assert told["state"] == 2


def test_a_page_resumes_where_its_connection_was_cut(stack: Stack, tmp_path: Path) -> None:
    session = live.start(stack)
    with page.opened(script(session), tmp_path / "profile", base=stack.url) as opened:
        assert opened.report() == "open"
        kill(*stack.processes("LiveEventsFunction"))
        assert opened.report() == "open"
        session.control("cancel")
        seen = opened.report()["seen"]
    assert [int(event["id"].split(".")[0]) for event in seen] == list(range(1, len(seen) + 1))
