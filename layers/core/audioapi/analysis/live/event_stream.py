"""The events of a live session for its one consumer: whoever streams them needs nothing else.

    attachment = events.attach(caller, session_id, last_event_id)  # in a thread: it waits for AWS
    async for message in events.stream(attachment):                # in the event loop
        ...

An event's id is `{number}.{consumer}`. The second part is new for each consumer, so that one who
shows an id that it was given is known to be the same, and takes over from its own lost connection
at once. Anybody else is let in when the lease has ended, a few seconds after its last renewal.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audioapi.analysis.events import compose
from audioapi.analysis.live import service, store
from audioapi.analysis.live.models import NumberedEvent, Status
from audioapi.analysis.models import EventType
from audioapi.clock import now_ms
from audioapi.problems import (
    ConflictError,
    InvalidRequestError,
    LiveSessionNotFoundError,
    StreamFailureError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from audioapi.analysis.live.models import LiveSession
    from audioapi.analysis.models import Event
    from audioapi.identity import Principal

LEASE_MS = 10_000
RENEW_SECONDS = 3.0
POLL_SECONDS = 0.1
_EVENT_ID = re.compile(r"(\d{1,9})(?:\.([0-9a-f]{8}))?", re.ASCII)


@dataclass(frozen=True)
class Attachment:
    """A consumer that has the session's events, from the one after number `after`."""

    session: LiveSession
    consumer: str
    lease: str
    after: int

    @property
    def position(self) -> str:
        """The id that this consumer resumes by before it was told anything."""
        return self.id(self.after)

    def id(self, number: int) -> str:
        return f"{number}.{self.consumer}"


@dataclass(frozen=True)
class Message:
    """An event, the id that its consumer resumes by, and when it was told (epoch milliseconds)."""

    id: str
    event: Event
    told_at: int


def attach(caller: Principal, session_id: str, last_event_id: str | None) -> Attachment:
    """Makes the caller the session's consumer. `last_event_id` is the header's value, or a number
    alone, which is a position and no proof; without one, events come from the first.

    Raises LiveSessionNotFoundError, also for whoever has the last event already, so that a browser
    stops connecting again; ConflictError while there is another consumer; InvalidRequestError for
    an id that was never given.
    """
    caller.require("read")
    after, consumer = _position(last_event_id)
    found = service.find(caller, session_id, cleaned=consumer is not None)
    _check_position(found, after)
    joined = Attachment(found, consumer or secrets.token_hex(4), secrets.token_hex(8), after)
    now = now_ms()
    if not store.attach(
        session_id, joined.lease, consumer=joined.consumer, now=now, until=now + LEASE_MS
    ):
        store.knock(session_id, now=now)
        raise ConflictError(
            "Only one SSE consumer may be attached to a live session at a time",
            session_id=session_id,
        )
    service.log(found, "consumer attached", after=after, resumed=consumer is not None)
    return joined


async def stream(attachment: Attachment) -> AsyncGenerator[Message]:
    """The consumer's events as they come, to `done`; whoever asks for more after it says that it
    was delivered, and the session is forgotten. Ends early and silently if the consumer has come
    back elsewhere.

    A session that nobody ended expires while nothing runs that could tell, so it is told here and
    not kept: whoever connects afterwards finds no session. Close the generator to detach at once.
    """
    try:
        async for message in _messages(attachment):
            yield message
    finally:
        leaving = asyncio.get_running_loop().run_in_executor(None, _detach, attachment)
        await asyncio.shield(leaving)  # also when the whole request is cancelled


async def _messages(attachment: Attachment) -> AsyncIterator[Message]:
    session_id, after = attachment.session.session_id, attachment.after
    now = asyncio.get_running_loop().time
    renew_at, expired = now() + RENEW_SECONDS, False
    while True:
        if now() >= renew_at:
            if not await asyncio.to_thread(_renew, attachment):
                return
            expired = await asyncio.to_thread(_has_expired, session_id)
            renew_at = now() + RENEW_SECONDS
        found = await asyncio.to_thread(store.new_events, session_id, after)
        if expired and not found:
            found = _expiry(attachment.session, after)
        for numbered in found:
            yield Message(attachment.id(numbered.number), numbered.event, numbered.told_at)
            after = numbered.number
        if found and found[-1].event.type is EventType.DONE:
            await asyncio.to_thread(_clean_up, attachment)
            return
        if not found:
            await asyncio.sleep(POLL_SECONDS)


def _position(last_event_id: str | None) -> tuple[int, str | None]:
    if not last_event_id:
        return 0, None
    match = _EVENT_ID.fullmatch(last_event_id)
    if match is None:
        raise _never_given()
    return int(match[1]), match[2]


def _check_position(found: LiveSession, after: int) -> None:
    work = store.cursor(found.session_id)
    if work is None:
        raise LiveSessionNotFoundError(found.session_id)
    if after >= work.next_event:
        raise _never_given()
    if work.ended and after == work.next_event - 1:
        store.clean_up(found.session_id, now=now_ms())
        raise LiveSessionNotFoundError(found.session_id)


def _never_given() -> InvalidRequestError:
    return InvalidRequestError(
        "Last-Event-ID: the id of an event of this session is needed", field="Last-Event-ID"
    )


def _renew(attachment: Attachment) -> bool:
    until = now_ms() + LEASE_MS
    held = store.renew(attachment.session.session_id, attachment.lease, until=until)
    if not held:
        service.log(attachment.session, "consumer took over from here")
    return held


def _has_expired(session_id: str) -> bool:
    """Whether the session's time is over, which is then final; only a session that looks so is
    written to.
    """
    found = store.get(session_id)
    if found is None or found.status is Status.EXPIRED:
        return True
    return found.expires_at <= now_ms() and store.expire(session_id, now=now_ms())


def _expiry(session: LiveSession, after: int) -> list[NumberedEvent]:
    service.log(session, "live session expired")
    failure = compose.failure(StreamFailureError("Live session expired"))
    told = (failure, compose.done(session.conversation_id))
    return [NumberedEvent(after + n, event, now_ms()) for n, event in enumerate(told, start=1)]


def _clean_up(attachment: Attachment) -> None:
    store.clean_up(attachment.session.session_id, now=now_ms())
    service.log(attachment.session, "live session delivered")


def _detach(attachment: Attachment) -> None:
    store.detach(attachment.session.session_id, attachment.lease)
