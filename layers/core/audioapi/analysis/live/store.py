"""What is kept of live sessions, in one DynamoDB table. Under `pk`, the session's id:

| sk                  | written by                 |                                             |
|---------------------|----------------------------|---------------------------------------------|
| `session`           | routes; its end, by worker | a LiveSession                               |
| `chunk#{seq}`       | routes                     | the digest of a chunk that was acknowledged |
| `fold#{seq}`        | worker                     | up to which chunk one object has them       |
| `worker`            | worker                     | who it is, and how far it is                |
| `event#{number}`    | worker; the first by start | an event                                    |
| `utterance#{index}` | worker                     | an Utterance, for the worker that goes on   |
| `consumer`          | stream of events           | its lease                                   |

Transactions touch only what one writer owns, so that a chunk and an event never conflict. There is
one worker and one consumer: each writes under the condition that the token there is still its own.
A consumer's has an end besides, as the next one is let in only then; the next worker never waits,
because a queue calls it when the one before is done or dead.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from audioapi.analysis.live import items
from audioapi.analysis.live.models import (
    RESULTS_KEPT_MS,
    Cursor,
    LiveSession,
    NumberedEvent,
    Status,
)
from audioapi.analysis.models import Event, EventType, Utterance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_MOST = 999_999_999
_GRACE_MS = 60 * 1000
"""A consumer may have lost its connection together with the last events."""
_OPEN = {f":open{i}": status for i, status in enumerate(Status) if status.open}
_PAGE = 100
_SURE_MS = 30_000
"""How long a consumer that has connected is taken to be there."""
_IS_OPEN = f"#status IN ({', '.join(_OPEN)})"


class FencedOutError(Exception):
    """Another worker took over, or the session has ended: nothing was written."""


# ---- Routes --------------------------------------------------------------------------------------


def create(session: LiveSession, opening: Sequence[Event]) -> None:
    """Keeps a new session and its first events, all or nothing."""
    ttl = items.expiry(session.started_at)
    kept = {**items.key(session.session_id, "session"), **session.model_dump(exclude_none=True)}
    cursor_item = {
        **items.key(session.session_id, "worker"),
        "next_event": len(opening) + 1,
        "utterances": 0,
    }
    writes = [
        items.to_put({**kept, "ttl": ttl}, "attribute_not_exists(pk)"),
        items.to_put({**cursor_item, "ttl": ttl}),
        *_event_puts(session.session_id, 1, opening, session.started_at),
    ]
    items.transact(writes)


def get(session_id: str) -> LiveSession | None:
    """The session as the last write left it."""
    item = items.get(session_id, "session")
    return None if item is None else LiveSession.model_validate(item)


def take_chunk(session: LiveSession, digest: str, size: int, *, now: int) -> LiveSession | None:
    """Counts the chunk that `session` waits for, whose object is durable. None if it waits for it
    no longer: it took another one, was ended, or has expired.

    A session names its last chunk only. The one before it is noted before it is forgotten, so that
    no transaction is needed, which would cost twice as much and conflict with a finalize.
    """
    seq = session.next_chunk_seq
    if session.chunk_digest is not None:
        noted = items.numbered_key(session.session_id, "chunk", seq - 1)
        items.put({**noted, "digest": session.chunk_digest, "ttl": items.expiry(now)})
    return _move(
        session.session_id,
        Status.PROCESSING,
        ", next_chunk_seq = :next, chunk_digest = :digest, expires_at = :until,"
        " received_bytes = received_bytes + :size",
        "expires_at > :now AND next_chunk_seq = :seq",
        {
            ":seq": seq,
            ":next": seq + 1,
            ":digest": digest,
            ":until": session.expiry(now),
            ":size": size,
            ":now": now,
        },
    )


def extend(session: LiveSession, *, now: int) -> LiveSession | None:
    """Keeps an open session alive; None if it is open no longer."""
    values = {":until": session.expiry(now), ":now": now, **_OPEN}
    condition = f"expires_at > :now AND {_IS_OPEN}"
    return _update(session.session_id, "SET expires_at = :until", condition, values)


def finalize(session: LiveSession, *, now: int) -> LiveSession | None:
    """No more chunks: what was heard is summed up. None if the session is open no longer."""
    return _close(session, Status.FINALIZING, now)


def cancel(session: LiveSession, *, reason: str | None, now: int) -> LiveSession | None:
    """No more chunks, and no summary. None if the session is open no longer."""
    return _close(session, Status.CANCELLED, now, reason)


def expire(session_id: str, *, now: int) -> bool:
    """Whether the session's time is over, which is then final, or it is gone altogether."""
    _move(session_id, Status.EXPIRED, condition="expires_at <= :now", values={":now": now})
    found = get(session_id)
    return found is None or found.status is Status.EXPIRED


def clean_up(session_id: str, *, now: int) -> None:
    """Forgets a session whose events were all delivered: for callers it is unknown from now on.
    The table removes its items by their `ttl`, the worker its chunks.
    """
    gone_at = now + _GRACE_MS
    _update(
        session_id,
        "SET cleaned_at = :now, expires_at = :gone, #ttl = :ttl",
        "attribute_exists(pk) AND attribute_not_exists(cleaned_at)",
        {":now": now, ":gone": gone_at, ":ttl": gone_at // 1000},
    )


# ---- The worker ----------------------------------------------------------------------------------


def chunk_keys(session: LiveSession, start: int = 0) -> list[str]:
    """Keys of the objects that were acknowledged, in order, from number `start` to the last that
    `session` knows.
    """
    numbers = range(start, session.next_chunk_seq)
    if not numbers:
        return []
    noted = items.between(session.session_id, "chunk", start, numbers[-1] - 1)
    digests = [*(item["digest"] for item in noted), session.chunk_digest]
    return [session.chunk_key(n, digest) for n, digest in zip(numbers, digests, strict=True)]


def note_fold(session_id: str, first: int, last: int, *, now: int) -> None:
    """That there is an object of those chunks. Another worker's that begins with the same chunk is
    forgotten: it has the same bytes, of more chunks or of less.
    """
    place = items.numbered_key(session_id, "fold", first)
    items.put({**place, "last": last, "ttl": items.expiry(now)})


def folds(session_id: str) -> dict[int, int]:
    """Each fold's last chunk by its first."""
    kept = items.between(session_id, "fold", 0, _MOST)
    return {items.number(item): item["last"] for item in kept}


def take_over(session_id: str, token: str) -> Cursor | None:
    """Makes `token` the session's worker: whoever was can write nothing any more. How far the work
    is; None if there is no such session.
    """
    taken = items.update(
        items.key(session_id, "worker"),
        "SET worker_token = :token",
        "attribute_exists(pk)",
        {":token": token},
    )
    return None if taken is None else _cursor(taken)


def rest(session_id: str, token: str, *, heard_chunks: int) -> None:
    """Notes how many chunks are heard, if the worker is still `token`."""
    items.update(
        items.key(session_id, "worker"),
        "SET heard_chunks = :heard",
        "worker_token = :token",
        {":token": token, ":heard": heard_chunks},
    )


def cursor(session_id: str) -> Cursor | None:
    """How far the work is; None if there is no such session."""
    item = items.get(session_id, "worker")
    return None if item is None else _cursor(item)


def utterances(session_id: str) -> list[Utterance]:
    """What was heard so far, in order."""
    kept = items.between(session_id, "utterance", 0, _MOST)
    return [Utterance.model_validate_json(item["utterance"]) for item in kept]


def append(  # noqa: PLR0913 — by keyword, and each is written or a condition
    session_id: str,
    token: str,
    at: Cursor,
    events: Sequence[Event],
    *,
    utterance: Utterance | None = None,
    now: int,
) -> Cursor:
    """Writes events, and the utterance that they tell of, in the place `at`; where the next go.

    All or nothing. Raises FencedOutError if the worker isn't `token` or the work isn't at `at`.
    At most 98 events, as DynamoDB takes 100 writes at once.
    """
    ttl = items.expiry(now)
    heard = []
    if utterance is not None:
        kept = items.numbered_key(session_id, "utterance", at.utterances)
        heard.append(items.to_put({**kept, "utterance": utterance.model_dump_json(), "ttl": ttl}))
    after = Cursor(at.next_event + len(events), at.utterances + len(heard), at.heard_chunks)
    told = _event_puts(session_id, at.next_event, events, now)
    _advance(session_id, token, at, after, [*told, *heard])
    return after


def end(  # noqa: PLR0913 — as above
    session_id: str,
    token: str,
    at: Cursor,
    events: Sequence[Event],
    outcome: Status,
    *,
    now: int,
) -> Cursor:
    """Writes the last events and how the session ended: COMPLETED, FAILED or CANCELLED. Nothing is
    written after it. Raises FencedOutError as `append` does.

    Then lets the routes know; a worker that dies in between is made good for by `settle`.
    """
    after = Cursor(at.next_event + len(events), at.utterances, at.heard_chunks, outcome)
    told = _event_puts(session_id, at.next_event, events, now)
    _advance(session_id, token, at, after, told)
    settle(session_id, outcome, now=now)
    return after


def settle(session_id: str, outcome: Status, *, now: int) -> None:
    """Lets the routes know how the session ended, for a worker that finds its end written. What was
    found is kept for a while from now on, unless all of it was delivered.
    """
    if outcome is Status.CANCELLED:
        return
    kept = ", expires_at = :until"
    not_forgotten = "attribute_not_exists(cleaned_at)"
    if not _move(session_id, outcome, kept, not_forgotten, {":until": now + RESULTS_KEPT_MS}):
        _move(session_id, outcome)


# ---- The stream of events ------------------------------------------------------------------------


def new_events(session_id: str, number: int) -> list[NumberedEvent]:
    """`events_after` for those who ask all the time: only the cursor is read if there are none."""
    work = cursor(session_id)
    if work is None or work.next_event == number + 1:
        return []
    return events_after(session_id, number, limit=min(_PAGE, work.next_event - 1 - number))


def events_after(session_id: str, number: int, *, limit: int = _PAGE) -> list[NumberedEvent]:
    """Up to `limit` events that follow the one of that number, without a gap: a query may see a
    part of what a transaction writes; what stands behind a gap comes with a later one.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-isolation
    """
    found = items.between(session_id, "event", number + 1, number + limit)
    events = []
    for expected, item in enumerate(found, start=number + 1):
        if items.number(item) != expected:
            break
        event = Event(EventType(item["type"]), json.loads(item["data"]))
        events.append(NumberedEvent(expected, event, item["told_at"]))
    return events


def attach(session_id: str, lease: str, *, consumer: str, now: int, until: int) -> bool:
    """Whether the session's events are that consumer's now: nobody has them, or it had them
    before. `lease` is this attachment's own, so that an earlier one finds that it is over.
    """
    held = items.update(
        items.key(session_id, "consumer"),
        "SET consumer = :consumer, lease_token = :lease, lease_until = :until, attached_at = :now,"
        " #ttl = :ttl",
        "attribute_not_exists(pk) OR lease_until <= :now OR consumer = :consumer",
        {
            ":consumer": consumer,
            ":lease": lease,
            ":now": now,
            ":until": until,
            ":ttl": items.expiry(now),
        },
    )
    return held is not None


def knock(session_id: str, *, now: int) -> None:
    """Somebody else wants the events: a stream that has had them for a while finds at its next
    renewal that it is over. Its consumer, if it is still there, comes back by its id before the
    lease ends; on AWS, nobody tells a function that its client went away.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
    """
    items.update(
        items.key(session_id, "consumer"),
        "REMOVE lease_token",
        "attached_at <= :before AND attribute_exists(lease_token)",
        {":before": now - _SURE_MS},
    )


def renew(session_id: str, lease: str, *, until: int) -> bool:
    """Whether that attachment still has the session's events."""
    renewed = items.update(
        items.key(session_id, "consumer"),
        "SET lease_until = :until",
        "lease_token = :lease",
        {":lease": lease, ":until": until},
    )
    return renewed is not None


def detach(session_id: str, lease: str) -> None:
    """Lets the next consumer in at once, if that attachment is still the one. A renewal that is on
    its way finds no lease any more.
    """
    items.update(
        items.key(session_id, "consumer"),
        "SET lease_until = :free REMOVE lease_token",
        "lease_token = :lease",
        {":lease": lease, ":free": 0},
    )


# ---- Shared --------------------------------------------------------------------------------------


def _close(
    session: LiveSession, status: Status, now: int, reason: str | None = None
) -> LiveSession | None:
    changes = ", expires_at = :until" + (", reason = :reason" if reason else "")
    values = {":until": now + RESULTS_KEPT_MS, ":reason": reason or None, ":now": now}
    return _move(session.session_id, status, changes, "expires_at > :now", values)


def _move(
    session_id: str,
    status: Status,
    changes: str = "",
    condition: str = "attribute_exists(pk)",
    values: Mapping[str, Any] | None = None,
) -> LiveSession | None:
    """Brings a session to `status`, if that may be reached from the one that it has."""
    allowed = {f":from{i}": earlier for i, earlier in enumerate(status.reached_from)}
    return _update(
        session_id,
        f"SET #status = :status{changes}",
        f"#status IN ({', '.join(allowed)}) AND {condition}",
        {":status": status, **allowed, **(values or {})},
    )


def _update(
    session_id: str, expression: str, condition: str, values: Mapping[str, Any]
) -> LiveSession | None:
    """The session then; None if the condition doesn't hold."""
    written = items.update(items.key(session_id, "session"), expression, condition, values)
    return None if written is None else LiveSession.model_validate(written)


def _advance(
    session_id: str,
    token: str,
    at: Cursor,
    after: Cursor,
    writes: list[TransactWriteItemTypeDef],
) -> None:
    """Writes and moves the cursor, which only the session's worker may, and from where it is."""
    values = {
        ":token": token,
        ":at": at.next_event,
        ":next": after.next_event,
        ":utterances": after.utterances,
        ":ended": after.ended,
    }
    step = items.to_update(
        items.key(session_id, "worker"),
        "SET next_event = :next, utterances = :utterances"
        + ("" if after.ended is None else ", ended = :ended"),
        "worker_token = :token AND next_event = :at AND attribute_not_exists(ended)",
        values,
    )
    try:
        items.transact([step, *writes])
    except items.ConditionError as error:
        raise FencedOutError(session_id) from error


def _event_puts(
    session_id: str, first: int, events: Sequence[Event], now: int
) -> list[TransactWriteItemTypeDef]:
    return [
        items.to_put(
            {
                **items.numbered_key(session_id, "event", number),
                "type": event.type,
                "data": json.dumps(event.data, ensure_ascii=False, separators=(",", ":")),
                "told_at": now,
                "ttl": items.expiry(now),
            }
        )
        for number, event in enumerate(events, start=first)
    ]


def _cursor(item: Mapping[str, Any]) -> Cursor:
    ended = Status(item["ended"]) if "ended" in item else None
    return Cursor(item["next_event"], item["utterances"], item.get("heard_chunks", 0), ended)
