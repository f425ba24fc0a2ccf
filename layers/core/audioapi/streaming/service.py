"""What callers do with a stream session: open, resume, look at, list, close."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, TypeVar

from audioapi import objects, queues, settings, tenants
from audioapi.identity import required, same_owner
from audioapi.observe import logger, measure
from audioapi.problems import (
    ForbiddenError,
    InvalidKeyError,
    InvalidRequestError,
    LimitExceededError,
    SessionNotFoundError,
    SessionRefusedError,
    UnprocessableError,
)
from audioapi.streaming import chunks, counter, frames, store
from audioapi.streaming.models import (
    CHANNELS,
    FORMATS,
    SAMPLE_RATES,
    ClosedSession,
    Connection,
    Session,
    SessionInfo,
    SessionPage,
    Status,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from audioapi.identity import Principal

_T = TypeVar("_T", int, str)
_MOST_ACK_EVERY = 1000
_NOTED_EVERY = 500


def connect(
    principal: Principal | None, query: Mapping[str, str], connection_id: str, *, now: int
) -> None:
    """Makes a session for a new connection, or attaches it to the one it names. The greeting goes
    through a queue, because nothing can be posted to a connection before `$connect` returns. Who
    has something to say before it comes, greets first.
    """
    if "session_id" in query:
        frame = _resume(principal, query, connection_id, now)
    else:
        frame = _create(principal, query, connection_id, now)
    queues.send(
        settings.streaming().notifications_queue_url,
        {"connection_id": connection_id, "frame": frame},
    )


def disconnect(connection_id: str) -> None:
    """Forgets a connection, if it is known: `$disconnect` may come late, or never."""
    try:
        store.detach(store.connection(connection_id))
    except LookupError:
        logger.debug("the connection was forgotten before")


def info(principal: Principal | None, session_id: str) -> SessionInfo:
    """Raises SessionNotFoundError for an unknown session and for one of somebody else's alike."""
    found = _visible(principal, session_id, scope="read")
    if found.status is Status.ACTIVE and found.numbered:
        found = found.model_copy(update={"next_seq": next_seq(found)})
    return _info(found)


def own_sessions(principal: Principal | None, *, limit: int, cursor: str | None) -> SessionPage:
    """The caller's sessions, active first, then newest first."""
    caller = required(principal)
    caller.require("read")
    try:
        page, following = store.sessions_of(caller, limit=limit, cursor=cursor)
    except ValueError as error:
        raise UnprocessableError(
            "cursor must be a next_cursor of an earlier page", field="cursor"
        ) from error
    return SessionPage(sessions=[_info(found) for found in page], next_cursor=following)


def close(principal: Principal | None, session_id: str, *, received_at: int) -> ClosedSession:
    """Closes a session that the caller sees. Closing twice is harmless."""
    found = _visible(principal, session_id, scope="write")
    closed = close_session(found, received_at=received_at)
    return ClosedSession(success=True, session_id=session_id, final_info=_info(closed))


def close_session(
    session: Session, *, received_at: int, expected_chunks: int | None = None
) -> Session:
    """Closes it and has its file made, after chunks that are on their way had time to arrive.

    `expected_chunks` is how many there are, if the client says so: then the worker waits for just
    those. The session as it is afterwards, also if it was closed before: perhaps by this very
    close, whose answer was lost. One whose file was given up has it tried again.
    """
    closing = store.close(
        session.session_id, closing_at=received_at, expected_chunks=expected_chunks
    )
    if closing is not None:
        _closed(closing)
        return closing
    found = reopen(session.session_id) or store.session(session.session_id) or session
    if found.status is Status.CLOSING and not found.job_sent:
        send_job(found)
    return found


def reopen(session_id: str) -> Session | None:
    """Has a file tried again that was given up; None if it wasn't."""
    return _again(store.reopen(session_id))


def rebuild(session_id: str) -> Session | None:
    """Has the file of a session that has ended made anew, of what is there; None if it hasn't
    ended.
    """
    reopened = store.rebuild(session_id)
    if reopened:
        chunks.unsettle(session_id)
    return _again(reopened)


def _again(reopened: Session | None) -> Session | None:
    if reopened:
        send_job(reopened)
    return reopened


def close_silent(session: Session, *, closing_at: int) -> None:
    """The same of a session without traffic, unless some came since it was looked at."""
    if closing := store.close_silent(session, closing_at=closing_at):
        _closed(closing)


def _closed(closing: Session) -> None:
    counter.count_out()
    send_job(closing)


def send_job(closing: Session) -> None:
    """Asks the worker for the session's file. May be sent twice: the second one finds it made."""
    counted = closing.expected_chunks is not None
    seconds = 0 if counted else settings.streaming().close_settle_seconds
    have_assembled(closing, in_seconds=seconds)
    store.job_sent(closing)


def have_assembled(closed: Session, *, in_seconds: int) -> None:
    """Asks the worker to look at a closed session then."""
    job = {"type": "assemble_session", "session_id": closed.session_id}
    queues.send(settings.streaming().jobs_queue_url, job, delay_seconds=in_seconds)


def next_seq(session: Session) -> int:
    """The first chunk that has not arrived. What was found is kept now and then, so that no more
    is listed again than fits one page of a listing.
    """
    found = chunks.contiguous(session)
    if found - session.next_seq >= _NOTED_EVERY:
        store.note_next_seq(session.session_id, found)
    return found


def greeting(connection: Connection, session: Session) -> frames.Frame:
    """What a connection is told of the session that it streams into."""
    if connection.resumed:
        following = next_seq(session)
        if following > session.next_seq:  # to its client, all before it is acknowledged by this
            store.note_next_seq(session.session_id, following)
        return frames.resumed(session, next_seq=following)
    return frames.created(session)


def download_url(session: Session) -> str | None:
    if session.deleted or session.file_path is None:
        return None
    return objects.presigned_url(settings.streaming().audio_bucket, session.file_path)


def _create(
    principal: Principal | None, query: Mapping[str, str], connection_id: str, now: int
) -> frames.Frame:
    user_id = _user(principal, query)
    config = settings.streaming()
    ack_every = _ack_every(query)
    session = Session(
        session_id=str(uuid.uuid4()),
        user_id=user_id,
        organization_id=principal.organization_id if principal else None,
        anonymous=principal is None,
        sample_rate=_choice(query, "sample_rate", SAMPLE_RATES, config.default_sample_rate),
        channels=_choice(query, "channels", CHANNELS, config.default_channels),
        format=_choice(query, "format", FORMATS, config.default_format),
        start_time=now,
        last_activity=now,
        expires_at=now + config.max_session_duration_hours * 3_600_000,
    )
    if not counter.count_in(config.max_concurrent_sessions):
        raise LimitExceededError("MAX_CONCURRENT_SESSIONS", config.max_concurrent_sessions)
    store.add_session(session, connection_id, ack_every=ack_every)
    measure({"SessionsOpened": 1})
    return frames.created(session)


def _resume(
    principal: Principal | None, query: Mapping[str, str], connection_id: str, now: int
) -> frames.Frame:
    session_id = query["session_id"]
    _user(principal, query)
    joining = Connection(
        connection_id=connection_id,
        session_id=session_id,
        ack_every=_ack_every(query),
        resumed=True,
    )
    try:
        _visible(principal, session_id, scope="write")
    except SessionNotFoundError as error:
        raise SessionRefusedError(error.detail, **error.members) from error
    _check_connections(session_id)
    session = store.attach(joining, now=now)
    if session is None:
        raise SessionRefusedError("Session already finalized", session_id=session_id)
    return greeting(joining, session)


def _check_connections(session_id: str) -> None:
    """Raises LimitExceededError if as many as may are connected. `$disconnect` is best effort, so
    before somebody is refused the gateway is asked who is really there.
    """
    limit = settings.streaming().max_connections_per_session
    if len(store.connections(session_id)) < limit:
        return
    from audioapi.streaming import notices  # noqa: PLC0415 — a client that hardly anybody needs

    if notices.still_connected(session_id) >= limit:
        raise LimitExceededError("MAX_CONNECTIONS_PER_SESSION", limit)


def _ack_every(query: Mapping[str, str]) -> int:
    given = query.get("ack_every", "1")
    if not re.fullmatch(r"[0-9]{1,4}", given) or not 1 <= int(given) <= _MOST_ACK_EVERY:
        raise InvalidRequestError(
            f"ack_every must be a whole number from 1 to {_MOST_ACK_EVERY}", field="ack_every"
        )
    return int(given)


def _user(principal: Principal | None, query: Mapping[str, str]) -> str | None:
    """Who streams: the key's user, or, where that is allowed, whoever the query names."""
    named = query.get("user_id")
    if principal is None:
        if not settings.streaming().allow_anonymous_streaming:
            raise InvalidKeyError
        return _named(named)
    principal.require("write")
    if named not in (None, principal.user_id):
        raise ForbiddenError("user_id is not the user of this key", user_id=named)
    return principal.user_id


def _named(user_id: str | None) -> str | None:
    if user_id is not None:
        try:
            tenants.check("user_id", user_id)
        except ValueError as error:
            raise InvalidRequestError(str(error), field="user_id") from error
    return user_id


def _visible(principal: Principal | None, session_id: str, *, scope: str) -> Session:
    """The session if the caller may see it: it is theirs, or was made without a key, and such
    sessions are read by whoever knows their id. A key is to have the `scope` for either.
    """
    anonymous_allowed = settings.streaming().allow_anonymous_streaming
    if principal is not None:
        principal.require(scope)
    elif not anonymous_allowed:
        raise InvalidKeyError
    found = store.session(session_id) if _is_uuid(session_id) else None
    if found is None:
        raise SessionNotFoundError(session_id)
    own = principal is not None and not found.anonymous and same_owner(principal, found)
    if not own and not (found.anonymous and anonymous_allowed):
        raise SessionNotFoundError(session_id)
    return found


def _info(session: Session) -> SessionInfo:
    return SessionInfo.of(session, download_url=download_url(session))


def _choice(query: Mapping[str, str], name: str, allowed: tuple[_T, ...], default: _T) -> _T:
    given = query.get(name)
    if given is None:
        return default
    for value in allowed:
        if str(value) == given:
            return value
    raise InvalidRequestError(f"Invalid {name.replace('_', ' ')}", valid_values=list(allowed))


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
