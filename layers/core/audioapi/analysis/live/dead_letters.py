"""What becomes of a live session that no worker could hear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audioapi.analysis import logs
from audioapi.analysis.live import service, store
from audioapi.analysis.live.event_log import EventLog
from audioapi.observe import logger
from audioapi.problems import LiveAsrFailureError

if TYPE_CHECKING:
    from audioapi.analysis.live.models import Cursor, LiveSession


def give_up(session_id: str, chunk_seq: int | None = None, action: str | None = None) -> None:
    """Ends a session of which a message failed again and again, that of its last chunk or of what
    was asked for at its end. With any other, a later one has the worker try all of it again.
    """
    session, cursor = store.get(session_id), store.cursor(session_id)
    if session is None or cursor is None:
        return
    with logs.about(session.conversation_id):
        if cursor.ended:
            service.settle(session, cursor.ended)  # who told the end may have died right after it
        elif _has_moved_on(session, cursor, chunk_seq):
            logger.warning("a message failed; the conversation goes on", action=action)
        else:
            _fail(session)


def _has_moved_on(session: LiveSession, cursor: Cursor, chunk_seq: int | None) -> bool:
    if chunk_seq is None:  # a run that had to end wanted to go on, or the session is over
        return session.status.open
    return chunk_seq + 1 < session.next_chunk_seq or chunk_seq < cursor.heard_chunks


def _fail(session: LiveSession) -> None:
    try:
        EventLog(session).fail(LiveAsrFailureError("The conversation could not be heard"))
    except store.FencedOutError:
        logger.info("the live session has ended, or a worker has it")
    else:
        service.delete_chunks(session)
