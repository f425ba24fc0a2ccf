"""What is kept of stream sessions and their connections, in one DynamoDB table.

The order of two writes is what makes an acknowledgement good: a chunk is an object first, and then
committed on a session that isn't sealed. The worker seals the session before it lists the objects,
so that every chunk that was committed is one that it finds.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from audioapi import settings, tables, tenants
from audioapi.identity import same_owner
from audioapi.streaming.models import Connection, Session, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

    from audioapi.identity import Owned

OPEN_SESSIONS = "open-sessions"
USER_SESSIONS = "user-sessions"
_CONNECTION_KEPT_MS = 3 * 3600 * 1000  # a connection lasts 2 h at most
_SESSION_KEPT_MS = 30 * 24 * 3600 * 1000


class NotOpenError(Exception):
    """The session is sealed or finished: it takes no chunk any more."""


class NumberingError(Exception):
    """A session's chunks either all carry a sequence number or none does."""


def add_session(session: Session, connection_id: str, *, ack_every: int = 1) -> None:
    """Keeps a new session and its first connection, both or neither."""
    item = {
        **session.model_dump(exclude_none=True),
        **_session_key(session.session_id),
        "open": "open",
        "owner": _owner(session),
        "listed": _listed(session, active=True),
        "ttl": (session.expires_at + _SESSION_KEPT_MS) // 1000,
    }
    if session.anonymous:
        del item["owner"]
    put: TransactWriteItemTypeDef = {"Put": {"TableName": _table(), "Item": tables.marshal(item)}}
    joined = Connection(
        connection_id=connection_id, session_id=session.session_id, ack_every=ack_every
    )
    puts = _connection_puts(joined, session.start_time)
    tables.client().transact_write_items(TransactItems=[put, *puts])


def attach(joining: Connection, *, now: int) -> Session | None:
    """Adds a connection to an active session, and counts as traffic; None if it isn't active.

    The session's own item stays out of the transaction: a chunk that is being committed at that
    moment would be refused with TransactionConflictException.
    """
    active = touch(joining.session_id, at=now)
    if active:
        tables.client().transact_write_items(TransactItems=_connection_puts(joining, now))
    return active


def session(session_id: str) -> Session | None:
    """The session as the last write left it."""
    found = tables.client().get_item(
        TableName=_table(), Key=tables.marshal(_session_key(session_id)), ConsistentRead=True
    )
    return _session(found["Item"]) if "Item" in found else None


@lru_cache(maxsize=1024)
def connection(connection_id: str) -> Connection:
    """Whose connection it is; LookupError if nobody's. Cached, because that never changes."""
    return connection_now(connection_id)


def connection_now(connection_id: str) -> Connection:
    """The same as the last write left it."""
    found = tables.client().get_item(
        TableName=_table(), Key=tables.marshal(_connection_key(connection_id)), ConsistentRead=True
    )
    if "Item" not in found:
        raise LookupError(connection_id)
    return Connection.model_validate(tables.unmarshal(found["Item"]))


def connections(session_id: str) -> list[str]:
    """Ids of the connections that stream into the session."""
    pages = (
        tables.client()
        .get_paginator("query")
        .paginate(
            TableName=_table(),
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ConsistentRead=True,
            ExpressionAttributeValues=tables.marshal(
                {":pk": _session_key(session_id)["pk"], ":prefix": "connection#"}
            ),
        )
    )
    items = (item for page in pages for item in page["Items"])
    return [tables.unmarshal(item)["connection_id"] for item in items]


def begin_greeting(connection_id: str) -> bool:
    """Whether the greeting from the queue is to be posted now: nobody has done so yet, or nobody
    knows. A client that answers it at once is not greeted again.
    """
    unknown = "attribute_exists(pk) AND (attribute_not_exists(greeted) OR greeted = :now)"
    return _note_greeting(connection_id, "SET greeted = :now", unknown, {":now": "begun"})


def withdraw_greeting(connection_id: str) -> None:
    """Nobody was there yet."""
    _note_greeting(connection_id, "REMOVE greeted", "greeted = :begun", {":begun": "begun"})


def note_greeted(connection_id: str) -> None:
    """Notes that it was told of its session."""
    _note_greeting(connection_id, "SET greeted = :done", "attribute_exists(pk)", {":done": "done"})


def _note_greeting(
    connection_id: str, update: str, condition: str, values: Mapping[str, Any]
) -> bool:
    key = _connection_key(connection_id)
    return tables.update_if(_table(), key, update, condition, values) is not None


def detach(gone: Connection) -> None:
    """Takes a connection from its session. Whose it was stays known until its time to live ends:
    its last messages may be carried out after `$disconnect`.
    """
    key = _attachment_key(gone.session_id, gone.connection_id)
    tables.client().delete_item(TableName=_table(), Key=tables.marshal(key))


def commit_chunk(
    known: Session, *, size: int, seq: int | None, new: bool, received_at: int
) -> Session:
    """Counts a durable chunk of the session `known`, at most once; the session as it is then.

    Raises NotOpenError if the session was sealed, so that nothing is acknowledged that the worker
    may have missed, and NumberingError if its other chunks are numbered and this one not.
    """
    numbered, added = seq is not None, int(new)
    furthest = seq is not None and (known.last_seq is None or seq > known.last_seq)
    committed, in_doubt = tables.count_if(
        _table(),
        _session_key(known.session_id),
        "SET last_activity = :received_at, numbered = :numbered"
        f"{', last_seq = :seq' if furthest else ''} "
        "ADD total_chunks :chunks, bytes_received :bytes",
        "#status IN (:active, :closing) "
        "AND (attribute_not_exists(numbered) OR numbered = :numbered)"
        f"{' AND (attribute_not_exists(last_seq) OR last_seq < :seq)' if furthest else ''}",
        {
            ":received_at": received_at,
            ":numbered": numbered,
            ":chunks": added,
            ":bytes": added * size,
            ":active": Status.ACTIVE,
            ":closing": Status.CLOSING,
            **({":seq": seq} if furthest else {}),
        },
        again={":chunks": 0, ":bytes": 0},
        names={"#status": "status"},
    )
    if committed is not None:
        return Session.model_validate(committed)
    kept = session(known.session_id)
    if kept is None or kept.status not in (Status.ACTIVE, Status.CLOSING):
        raise NotOpenError
    if not furthest or kept.numbered is False:
        raise NumberingError
    # A later one was faster, or our own first try was.
    return commit_chunk(kept, size=size, seq=seq, new=new and not in_doubt, received_at=received_at)


def touch(session_id: str, *, at: int) -> Session | None:
    """Counts as traffic; None if the session isn't active."""
    return _update(session_id, {"last_activity": at}, only_if=(Status.ACTIVE,))


def close(session_id: str, *, closing_at: int, expected_chunks: int | None) -> Session | None:
    """ACTIVE → CLOSING; None if it was not active, as a second close finds it. `closing_at` is when
    the gateway received the close.
    """
    changes = {"status": Status.CLOSING, "closing_at": closing_at, "last_activity": closing_at}
    return _update(
        session_id, {**changes, "expected_chunks": expected_chunks}, only_if=(Status.ACTIVE,)
    )


def close_silent(silent: Session, *, closing_at: int) -> Session | None:
    """ACTIVE → CLOSING; None if it was not active, or has had traffic since it was looked at."""
    return _write(
        silent.session_id,
        "SET #status = :closing, closing_at = :closing_at, last_activity = :closing_at",
        "#status = :active AND last_activity = :seen",
        {
            ":closing": Status.CLOSING,
            ":closing_at": closing_at,
            ":active": Status.ACTIVE,
            ":seen": silent.last_activity,
        },
        names={"#status": "status"},
    )


def job_sent(closing: Session) -> None:
    """Notes that the worker knows, and how many chunks there were by then: a close that crashed
    before this is taken up by the sweeper.
    """
    sent = {"job_sent": True, "seen_chunks": closing.total_chunks}
    _update(closing.session_id, sent, only_if=(Status.CLOSING, Status.SEALED))


def note_look(looked_at: Session, *, quiet_looks: int) -> None:
    """Notes that somebody looked whether its chunks still come."""
    looked = {"seen_chunks": looked_at.total_chunks, "quiet_looks": quiet_looks}
    _update(looked_at.session_id, looked, only_if=(Status.CLOSING,))


def note_short_look(sealed: Session) -> None:
    """Notes that fewer chunks were listed than came."""
    looked = {"short_looks": sealed.short_looks + 1}
    _update(sealed.session_id, looked, only_if=(Status.SEALED,))


def seal(session_id: str) -> Session | None:
    """CLOSING → SEALED; None if it is neither, so that the job has nothing to do."""
    return _update(session_id, {"status": Status.SEALED}, only_if=(Status.CLOSING, Status.SEALED))


def complete(sealed: Session, **facts: Any) -> Session | None:
    """SEALED → COMPLETED with what is known of the file; None if another delivery was faster."""
    return _finish(sealed, {"status": Status.COMPLETED, **facts})


def fail(unfinished: Session, reason: str, *, gave_up: bool = False) -> Session | None:
    """Any open state → ERROR, with the reason that callers see; None if another delivery was
    faster. Who only `gave_up` leaves it to be opened again.
    """
    return _finish(unfinished, {"status": Status.ERROR, "error": reason, "gave_up": gave_up})


def reopen(session_id: str) -> Session | None:
    """ERROR → CLOSING if its file was only given up; None if it wasn't."""
    return _reopen(session_id, "#status = :error AND gave_up = :yes", {":yes": True})


def rebuild(session_id: str) -> Session | None:
    """Any end → CLOSING, so that its file is made anew; None if it hasn't ended."""
    return _reopen(session_id, "#status IN (:completed, :error)", {":completed": Status.COMPLETED})


def _reopen(session_id: str, condition: str, values: Mapping[str, Any]) -> Session | None:
    return _write(
        session_id,
        "SET #status = :closing, gave_up = :no, #open = :open, short_looks = :none "
        "REMOVE #error, last_failure",
        condition,
        {
            ":closing": Status.CLOSING,
            ":no": False,
            ":none": 0,
            ":open": "open",
            ":error": Status.ERROR,
            **values,
        },
        names={"#status": "status", "#open": "open", "#error": "error"},
    )


def discard(session_id: str) -> Session | None:
    """Notes that its audio was deleted; None if there is no such session."""
    return _write(
        session_id,
        "SET deleted = :yes REMOVE file_path",
        "attribute_exists(pk)",
        {":yes": True},
    )


def note_failure(session_id: str, failure: str) -> None:
    """Keeps why the last attempt at its file failed, for whoever gives up on the session."""
    _update(session_id, {"last_failure": failure}, only_if=(Status.CLOSING, Status.SEALED))


def note_folded(session: Session, *, after: str, last: str, count: int) -> Session | None:
    """Notes that `count` chunks up to `last` are folded, if those up to `after` were; None if they
    weren't.
    """
    known = "folded_to = :after" if after else "attribute_not_exists(folded_to)"
    before = session.folded_chunks if after else 0
    values = {
        ":last": last,
        ":after": after or None,
        ":chunks": None if before is None else before + count,
    }
    update = "SET folded_to = :last" + ("" if before is None else ", folded_chunks = :chunks")
    return _write(session.session_id, update, f"attribute_exists(pk) AND {known}", values)


def note_next_seq(session_id: str, next_seq: int) -> None:
    """Keeps how far the chunks are known to be whole, so that nobody lists them again. What a
    finished session tells stays as it is.
    """
    _write(
        session_id,
        "SET next_seq = :next",
        "#status IN (:active, :closing) AND next_seq < :next",
        {":next": next_seq, ":active": Status.ACTIVE, ":closing": Status.CLOSING},
        names={"#status": "status"},
    )


def open_sessions() -> Iterator[Session]:
    """Every session that is not finished, oldest first."""
    pages = (
        tables.client()
        .get_paginator("query")
        .paginate(
            TableName=_table(),
            IndexName=OPEN_SESSIONS,
            KeyConditionExpression="#open = :open",
            ExpressionAttributeNames={"#open": "open"},
            ExpressionAttributeValues=tables.marshal({":open": "open"}),
        )
    )
    for page in pages:
        yield from _sessions(page["Items"])


def sessions_of(
    caller: Owned, *, limit: int, cursor: str | None
) -> tuple[list[Session], str | None]:
    """A page of the caller's sessions, active first, then newest first; the next one's cursor."""
    owner_key = _owner(caller)
    start = {"ExclusiveStartKey": _cursor_key(owner_key, cursor)} if cursor else {}
    page = tables.client().query(
        TableName=_table(),
        IndexName=USER_SESSIONS,
        KeyConditionExpression="#owner = :owner",
        ExpressionAttributeNames={"#owner": "owner"},
        ExpressionAttributeValues=tables.marshal({":owner": owner_key}),
        ScanIndexForward=False,
        Limit=limit,
        **start,  # type: ignore[arg-type]  # a union of TypedDicts loses its key's type
    )
    last = page.get("LastEvaluatedKey")
    own = [found for found in _sessions(page["Items"]) if same_owner(caller, found)]
    return own, _cursor(tables.unmarshal(last)) if last else None


def _owner(of: Owned) -> str:
    return tenants.key(of.organization_id, of.user_id)


def respell_owners() -> int:
    """Spells owners as others are, which the version before spelt `acme#alice`: how many. May be
    done twice, and while sessions come and end.
    """
    pages = (
        tables.client()
        .get_paginator("scan")
        .paginate(
            TableName=_table(),
            FilterExpression="attribute_exists(#owner) AND NOT begins_with(#owner, :json)",
            ExpressionAttributeNames={"#owner": "owner"},
            ExpressionAttributeValues=tables.marshal({":json": "["}),
        )
    )
    respelt = 0
    for session in (_session(item) for page in pages for item in page["Items"]):
        written = _write(
            session.session_id,
            "SET #owner = :owner",
            "attribute_exists(pk)",
            {":owner": _owner(session)},
            names={"#owner": "owner"},
        )
        respelt += written is not None
    return respelt


def _table() -> str:
    return settings.streaming().streams_table


def _session_key(session_id: str) -> dict[str, str]:
    return {"pk": f"session#{session_id}", "sk": "session"}


def _connection_key(connection_id: str) -> dict[str, str]:
    return {"pk": f"connection#{connection_id}", "sk": "connection"}


def _attachment_key(session_id: str, connection_id: str) -> dict[str, str]:
    return {"pk": f"session#{session_id}", "sk": f"connection#{connection_id}"}


def _connection_puts(joining: Connection, now: int) -> list[TransactWriteItemTypeDef]:
    """A connection is kept twice: by its own id, and under the session."""
    item = {**joining.model_dump(), "ttl": (now + _CONNECTION_KEPT_MS) // 1000}
    keys = (
        _connection_key(joining.connection_id),
        _attachment_key(joining.session_id, joining.connection_id),
    )
    return [
        {"Put": {"TableName": _table(), "Item": tables.marshal({**item, **key})}} for key in keys
    ]


def _listed(kept: Session, *, active: bool) -> str:
    """The sort key of the user's list, read backwards."""
    return f"{int(active)}#{kept.start_time:015d}"


def _finish(unfinished: Session, changes: dict[str, Any]) -> Session | None:
    finished = {**changes, "listed": _listed(unfinished, active=False)}
    if not unfinished.anonymous:
        finished["owner"] = _owner(unfinished)  # one of the version before spelt it otherwise
    states = (Status.ACTIVE, Status.CLOSING, Status.SEALED)
    return _update(unfinished.session_id, finished, only_if=states, remove="open")


def _update(
    session_id: str,
    changes: Mapping[str, Any],
    *,
    only_if: tuple[Status, ...],
    remove: str | None = None,
) -> Session | None:
    """Sets attributes if the session is in one of the states; None if it isn't."""
    set_to = {name: value for name, value in changes.items() if value is not None}
    allowed = {f":state{i}": state for i, state in enumerate(only_if)}
    assignments = ", ".join(f"#{name} = :{name}" for name in set_to)
    return _write(
        session_id,
        f"SET {assignments}" + (f" REMOVE #{remove}" if remove else ""),
        f"#status IN ({', '.join(allowed)})",
        {**{f":{name}": value for name, value in set_to.items()}, **allowed},
        names={f"#{name}": name for name in (*set_to, "status", *([remove] if remove else []))},
    )


def _write(
    session_id: str,
    update: str,
    condition: str,
    values: Mapping[str, Any],
    names: Mapping[str, str] | None = None,
) -> Session | None:
    """Updates a session if the condition holds; None if it doesn't."""
    key = _session_key(session_id)
    written = tables.update_if(_table(), key, update, condition, values, names=names)
    return None if written is None else Session.model_validate(written)


def _session(item: Mapping[str, Any]) -> Session:
    return Session.model_validate(tables.unmarshal(item))


def _sessions(index_items: list[dict[str, Any]]) -> list[Session]:
    """The sessions that an index's keys name, in their order."""
    ids = [tables.unmarshal(item)["pk"].removeprefix("session#") for item in index_items]
    found = {s.session_id: s for batch in _batches(ids) for s in _batch_get(batch)}
    return [found[session_id] for session_id in ids if session_id in found]


def _batches(ids: list[str], size: int = 100) -> Iterator[list[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _batch_get(ids: list[str]) -> Iterator[Session]:
    wanted: dict[str, Any] = {
        _table(): {"Keys": [tables.marshal(_session_key(i)) for i in ids], "ConsistentRead": True}
    }
    while wanted:
        answer = tables.client().batch_get_item(RequestItems=wanted)
        yield from (_session(item) for item in answer["Responses"][_table()])
        wanted = answer.get("UnprocessedKeys", {})


def _cursor(key: Mapping[str, Any]) -> str:
    text = f"{key['listed']}|{key['pk']}"
    return base64.urlsafe_b64encode(text.encode()).decode()


_CURSOR = re.compile(r"([01]#\d{15})\|(session#[0-9a-f-]{36})")


def _cursor_key(owner_key: str, cursor: str) -> dict[str, Any]:
    """The index key behind a cursor; ValueError if it is none.
    It only ever points into the caller's own partition.
    """
    match = _CURSOR.fullmatch(base64.urlsafe_b64decode(cursor.encode()).decode())
    if match is None:
        raise ValueError(cursor)
    listed, pk = match.groups()
    return tables.marshal({"owner": owner_key, "listed": listed, "pk": pk, "sk": "session"})
