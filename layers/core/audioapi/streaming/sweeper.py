"""Closes sessions that their clients have left, and puts right what a crash left wrong: a close
without its job, a count of active sessions that is off.
"""

from __future__ import annotations

from audioapi import settings
from audioapi.observe import logger
from audioapi.streaming import counter, service, store
from audioapi.streaming.models import Session, Status

_CRASHED_AFTER_MS = 60_000


def sweep(*, now: int) -> None:
    """Every session that is not finished is looked at. `now`, in epoch milliseconds, is AWS's time,
    as the sessions' are: a function's own clock may be minutes off.
    """
    counted_before, active = counter.counted(), 0
    for session in store.open_sessions():
        active += session.status is Status.ACTIVE
        if session.status is Status.ACTIVE and (reason := _over(session, now)):
            logger.info("session closed", session_id=session.session_id, reason=reason)
            service.close_silent(session, closing_at=now)
        elif _job_lost(session, now):
            logger.warning("close taken up", session_id=session.session_id)
            service.send_job(session)
    if active != counted_before:
        counter.recount(active, counted_before=counted_before)


def _over(session: Session, now: int) -> str | None:
    """Why an active session ends now, None if it goes on."""
    if now >= session.expires_at:
        return "MAX_SESSION_DURATION_HOURS"
    if now - session.last_activity > settings.streaming().connection_timeout_seconds * 1000:
        return "CONNECTION_TIMEOUT_SECONDS"
    return None


def _job_lost(session: Session, now: int) -> bool:
    closing = session.closing_at is not None and now - session.closing_at > _CRASHED_AFTER_MS
    return closing and not session.job_sent
