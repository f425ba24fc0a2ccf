"""What becomes of a live session that no worker could hear."""

from __future__ import annotations

from audioapi.analysis import logs
from audioapi.analysis.live import store
from audioapi.analysis.live.event_log import EventLog
from audioapi.observe import logger
from audioapi.problems import LiveAsrFailureError


def give_up(session_id: str) -> None:
    """Ends a session whose messages failed again and again."""
    session = store.get(session_id)
    if session is None:
        return
    with logs.about(session.conversation_id):
        try:
            EventLog(session).fail(LiveAsrFailureError("The conversation could not be heard"))
        except store.FencedOutError:
            logger.info("the live session has ended")
