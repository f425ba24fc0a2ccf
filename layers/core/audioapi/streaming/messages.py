"""The way of a message: a chunk made durable and acknowledged, or a control action done.

Nothing but S3 and DynamoDB is touched on it: one read, one object, one counter. A client that sends
before it was greeted is greeted first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from audioapi import objects, queues, settings
from audioapi.clock import now_ms
from audioapi.observe import logger, measure
from audioapi.streaming import chunks, frames, service, store
from audioapi.streaming.frames import BadChunkError, BadFrameError, Chunk, Control, Frame

if TYPE_CHECKING:
    from audioapi.streaming.models import Connection, Session

FINALIZED = "Session already finalized"
_MOST_AHEAD = 10_000


def receive(
    body: str, *, binary: bool, connection_id: str, message_id: str, received_at: int
) -> Frame | None:
    """The answer to a message of a connection, received by the gateway at `received_at` (epoch ms);
    None for a chunk that the connection wants no acknowledgement of.

    Everything a client can get wrong is answered with a frame, and so is a failure of ours that
    hits a chunk: its `retry` says that the same chunk may be sent again, which only a number makes
    the same.
    """
    connection = store.connection(connection_id)
    session = _session(connection)
    if not connection.greeted:
        _greet(connection_id, session)
    try:
        _check_size(body)
        message = frames.parse(body, binary=binary)
        if isinstance(message, Control):
            return _control(message, session, received_at)
        return _chunk(message, session, connection, message_id, received_at)
    except BadFrameError as error:
        return {**error.frame, "session_id": session.session_id}
    except BadChunkError as error:
        return frames.refused(session, str(error), seq=error.seq)


def _greet(connection_id: str, session: Session) -> None:
    """A client that didn't wait for its greeting gets it before its first answer. If that can't be
    done, the next message tries again: no chunk is refused for it.
    """
    from audioapi.streaming import notices  # noqa: PLC0415 — a client that hardly any message needs

    try:
        connection = store.connection_now(connection_id)
        if not connection.greeted:
            notices.greet(connection_id, service.greeting(connection, session))
        store.connection.cache_clear()  # where it isn't greeted yet
    except (BotoCoreError, ClientError):
        logger.exception("not greeted", session_id=session.session_id)


def _session(connection: Connection) -> Session:
    found = store.session(connection.session_id)
    if found is None:
        raise LookupError(connection.session_id)
    return found


def _check_size(body: str) -> None:
    limit = settings.streaming().max_message_size_bytes
    if len(body) > limit:
        raise BadChunkError(
            f"The message has {len(body)} bytes; MAX_MESSAGE_SIZE_BYTES allows {limit}"
        )


def _chunk(
    chunk: Chunk, session: Session, connection: Connection, message_id: str, received_at: int
) -> Frame | None:
    order = chunks.arrival_order(received_at, message_id)
    if reason := _refusal(chunk, session, received_at, order):
        raise BadChunkError(reason, seq=chunk.seq)
    try:
        new, kept = _keep(chunk, session, order, received_at)
    except objects.TakenError:
        return frames.taken(session, seq=chunk.seq, next_seq=service.next_seq(session))
    except (BotoCoreError, ClientError):
        logger.exception("chunk not kept", session_id=session.session_id, seq=chunk.seq)
        return frames.failed(session, seq=chunk.seq)
    _measure(chunk, received_at, new=new)
    if new and kept.total_chunks % chunks.FOLD_EVERY == 0:
        _have_folded(kept)
    if connection.ack_every == 1:
        return frames.acknowledged(kept, seq=chunk.seq)
    if new and kept.total_chunks % connection.ack_every:
        return None
    return frames.acknowledged(kept, seq=chunk.seq, next_seq=_next_seq(kept))


def _next_seq(session: Session) -> int:
    """What is known of it if the chunks can't be listed: the chunk itself is kept."""
    try:
        return service.next_seq(session)
    except (BotoCoreError, ClientError):
        logger.exception("chunks not listed", session_id=session.session_id)
        return session.next_seq


def _refusal(chunk: Chunk, session: Session, received_at: int, order: str) -> str | None:
    """Why the chunk is not taken, before anything is stored."""
    return (
        _too_large(chunk)
        or _over(chunk, session, received_at)
        or _out_of_place(chunk, session, order)
    )


def _too_large(chunk: Chunk) -> str | None:
    limit = settings.streaming().max_chunk_size_mb
    if len(chunk.data) <= limit * 1024 * 1024:
        return None
    return f"The chunk has {len(chunk.data)} bytes; MAX_CHUNK_SIZE_MB allows {limit} MB"


def _over(chunk: Chunk, session: Session, received_at: int) -> str | None:
    if not session.awaits(received_at=received_at, seq=chunk.seq):
        return FINALIZED
    if received_at < session.expires_at:
        return None
    hours = settings.streaming().max_session_duration_hours
    return f"MAX_SESSION_DURATION_HOURS allows {hours} hours"


def _out_of_place(chunk: Chunk, session: Session, order: str) -> str | None:
    if session.numbered not in (None, chunk.seq is not None):
        return _numbering(chunk)
    if chunk.seq is None:
        late = order <= (session.folded_to or "")
        return "The chunk came too late for its place" if late else None
    if chunk.seq <= session.total_chunks + _MOST_AHEAD:
        return None
    return f"seq may be {_MOST_AHEAD} ahead of the {session.total_chunks} chunks that came"


def _keep(chunk: Chunk, session: Session, order: str, received_at: int) -> tuple[bool, Session]:
    """Object first, then commit: only then may the chunk be acknowledged. Whether it was new."""
    new = chunks.put(session.session_id, chunk.data, seq=chunk.seq, order=order)
    try:
        return new, store.commit_chunk(
            session,
            size=len(chunk.data),
            seq=chunk.seq,
            new=new,
            received_at=received_at,
        )
    except store.NotOpenError as error:
        raise BadChunkError(FINALIZED, seq=chunk.seq) from error
    except store.NumberingError as error:
        raise BadChunkError(_numbering(chunk), seq=chunk.seq) from error


def _measure(chunk: Chunk, received_at: int, *, new: bool) -> None:
    if new:
        latency = now_ms() - received_at
        measure({"Chunks": 1, "ChunkBytes": len(chunk.data), "AckLatency": latency})


def _have_folded(session: Session) -> None:
    """If it can't be asked for, the next folding has more to do: the chunk itself is kept."""
    try:
        queues.send(
            settings.streaming().jobs_queue_url,
            {"type": "fold_chunks", "session_id": session.session_id},
        )
    except (BotoCoreError, ClientError):
        logger.exception("folding not asked for", session_id=session.session_id)


def _numbering(chunk: Chunk) -> str:
    return (
        "seq is missing: the other chunks of this session carry one"
        if chunk.seq is None
        else "seq is not allowed: the other chunks of this session carry none"
    )


def _control(control: Control, session: Session, received_at: int) -> Frame:
    if control.action == "close_session":
        return frames.closed(
            service.close_session(
                session, received_at=received_at, expected_chunks=control.chunk_count
            )
        )
    if control.action == "keepalive":
        return frames.kept_alive(store.touch(session.session_id, at=received_at) or session)
    return frames.state(session, next_seq=service.next_seq(session))
