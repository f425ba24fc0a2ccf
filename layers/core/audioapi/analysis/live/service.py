"""What callers do with a live session: start it, send it chunks, keep it alive, end it."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING, Any

from audioapi import objects, queues, settings
from audioapi.analysis import logs
from audioapi.analysis.events import compose
from audioapi.analysis.live import store
from audioapi.analysis.live.models import (
    Action,
    Controlled,
    LiveSession,
    Started,
    Status,
    TakenChunk,
)
from audioapi.analysis.models import Phase
from audioapi.clock import now_ms
from audioapi.identity import same_owner
from audioapi.observe import logger
from audioapi.problems import (
    ConflictError,
    FileTooLargeError,
    InvalidRequestError,
    LiveSessionNotFoundError,
)

if TYPE_CHECKING:
    from audioapi.analysis.live.models import ControlRequest, StartRequest
    from audioapi.forms import Form
    from audioapi.identity import Principal

_SESSION_ID = re.compile(r"live_[0-9a-f]{8,32}")  # the published form has 8 digits
_ID_BYTES = 16  # never the same twice: what is left of a session is nobody else's
_CHUNK_SEQ = re.compile(r"[0-9]{1,9}")
OPENING = [compose.status(phase, progress=0.0) for phase in (Phase.STARTING, Phase.WAITING_MEDIA)]
_ENDS = {Action.FINALIZE: Status.FINALIZING, Action.CANCEL: Status.CANCELLED}


def start(caller: Principal, wanted: StartRequest) -> Started:
    """A new session, whose first two events are there already."""
    caller.require("write")
    session = _new(caller, wanted)
    store.create(session, OPENING)
    log(session, "live session started", suffix=session.suffix, ttl_seconds=session.ttl_seconds)
    return Started.of(session, events_url=settings.live_events().live_events_url)


def chunk(caller: Principal, session_id: str, form: Form) -> TakenChunk:
    """Takes the session's next chunk: it is durable, counted and on its way to the worker when
    this returns. The last chunk, sent again because the answer was lost, is answered again.

    Raises InvalidRequestError for a form that isn't one chunk and its number, FileTooLargeError
    over MAX_FILE_SIZE_MB in all, and ConflictError for another number and after the end.
    """
    caller.require("write")
    found = find(caller, session_id)
    seq, data = _chunk_seq(form), form.file("chunk").data.read()
    if not data:
        raise InvalidRequestError("Empty chunk data uploaded", field="chunk")
    taken = _take(caller, found, seq, data)
    wake(taken, {"chunk_seq": seq}, str(seq))
    log(taken, "chunk taken", chunk_seq=seq, size=len(data))
    return TakenChunk.of(taken, seq)


def control(caller: Principal, session_id: str, wanted: ControlRequest) -> Controlled:
    """Raises ConflictError for a session that was finalized or cancelled, or has ended. To do so
    twice is refused, but tells the worker again: the first time may have crashed before that.
    """
    caller.require("write")
    found = find(caller, session_id)
    changed = _carry_out(found, wanted)
    now = changed or find(caller, session_id)
    if now.status is _ENDS.get(wanted.action):
        wake(now, {"action": wanted.action}, wanted.action)
    if changed is None:
        raise _finalized(now)
    log(changed, "live session controlled", action=wanted.action, status=changed.status)
    return Controlled.of(changed)


def find(caller: Principal, session_id: str, *, cleaned: bool = False) -> LiveSession:
    """The caller's session; from here on every log line has its conversation's id.

    Raises LiveSessionNotFoundError if there is none, or it is somebody else's, or has expired, or,
    unless `cleaned`, all of its events were delivered.
    """
    found = store.get(session_id) if _SESSION_ID.fullmatch(session_id) else None
    if found is None or not same_owner(caller, found) or not _lives(found, cleaned=cleaned):
        raise LiveSessionNotFoundError(session_id)
    logs.from_here_on(found.conversation_id)
    return found


def wake(session: LiveSession, what: dict[str, Any], deduplication: str) -> None:
    """Has the worker look at the session; what for, is for people who look at the queue."""
    queues.send_in_order(
        settings.live().live_queue_url,
        {"session_id": session.session_id, **what},
        group=session.session_id,
        deduplication=f"{session.session_id}:{deduplication}",
    )


def settle(session: LiveSession, outcome: Status) -> None:
    """What the end of a session is followed by, which may be done twice."""
    store.settle(session.session_id, outcome, now=now_ms())
    delete_chunks(session)


def delete_chunks(session: LiveSession) -> None:
    """Also those that were refused or never counted, and folds that nobody came to note: what is
    listed, as only the bucket knows of all of them.
    """
    bucket = settings.analysis().audio_bucket
    objects.delete_all(bucket, session.prefix)


def log(session: LiveSession, message: str, **keys: Any) -> None:
    with logs.about(session.conversation_id):
        logger.info(message, stacklevel=3, **keys)  # where this function was called


def _new(caller: Principal, wanted: StartRequest) -> LiveSession:
    now = now_ms()
    return LiveSession(
        session_id=f"live_{secrets.token_hex(_ID_BYTES)}",
        conversation_id=f"liveconv_{secrets.token_hex(_ID_BYTES)}",
        organization_id=caller.organization_id,
        user_id=caller.user_id,
        started_at=now,
        expires_at=now + wanted.ttl_seconds * 1000,
        **wanted.model_dump(),
    )


def _lives(found: LiveSession, *, cleaned: bool) -> bool:
    """What is being finalized is the worker's to end, however late it comes to it."""
    forgotten = found.cleaned_at is not None and not cleaned
    in_time = found.expires_at > now_ms() or found.status is Status.FINALIZING
    return in_time and found.status is not Status.EXPIRED and not forgotten


def _chunk_seq(form: Form) -> int:
    given = form.text("chunk_seq")
    if given is None or not _CHUNK_SEQ.fullmatch(given):
        raise InvalidRequestError(
            "chunk_seq: a whole number from 0 is needed, the next_chunk_seq of the last answer",
            field="chunk_seq",
        )
    return int(given)


def _take(caller: Principal, found: LiveSession, seq: int, data: bytes) -> LiveSession:
    """The session with the chunk. The object is first, then the count, under the condition that
    nothing happened to the session meanwhile: whatever is counted can be read.
    """
    digest = hashlib.sha256(data).hexdigest()
    if not _awaits(found, seq, digest):
        return found
    limit_mb = settings.analysis().max_file_size_mb
    FileTooLargeError.check(found.received_bytes + len(data), limit_mb, field="chunk")
    objects.put(
        settings.analysis().audio_bucket,
        found.chunk_key(seq, digest),
        data,
        content_type="application/octet-stream",
    )
    taken = store.take_chunk(found, digest, len(data), now=now_ms())
    if taken is None:
        return _take(caller, find(caller, found.session_id), seq, data)
    return taken


def _awaits(found: LiveSession, seq: int, digest: str) -> bool:
    """Whether that chunk is the next one; False if it is the last one once more."""
    if not found.status.open:
        raise _finalized(found)
    if found.has_taken(seq, digest):
        return False
    if seq != found.next_chunk_seq:
        raise ConflictError(
            f"Expected chunk_seq={found.next_chunk_seq}",
            session_id=found.session_id,
            next_chunk_seq=found.next_chunk_seq,
        )
    return True


def _carry_out(found: LiveSession, wanted: ControlRequest) -> LiveSession | None:
    now = now_ms()
    if wanted.action is Action.KEEPALIVE:
        return store.extend(found, now=now)
    if wanted.action is Action.FINALIZE:
        return store.finalize(found, now=now)
    return store.cancel(found, reason=wanted.reason, now=now)


def _finalized(session: LiveSession) -> ConflictError:
    return ConflictError("Session already finalized", session_id=session.session_id)
