"""The streaming family: clients stream, and what was acknowledged has to be in the files."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

from audioapi import clock, objects, settings
from audioapi.identity import Principal, put_api_key
from audioapi.media import assemble
from audioapi.streaming import chunks, service, store
from audioapi.streaming.messages import FINALIZED
from audioapi.streaming.models import Status
from tests.audio import samples_of
from tests.integration.simulation.functions import UNLIMITED, Source
from tests.integration.simulation.network import Trouble
from tests.integration.simulation.simulation import Family
from tests.integration.simulation.stream import Client, Gateway, Streamed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from audioapi.media.segments import Segment
    from audioapi.streaming.models import Session
    from tests.integration.simulation.scheduler import Process
    from tests.integration.simulation.simulation import World

UNSURE = "Internal server error"
"""What is said of a chunk without a number that may be kept, or not."""
NOTICES = "NotificationsQueue"
_API_KEY, _CALLER = "simulated-key", Principal("alice", "acme")
_CHUNK = struct.Struct("<hhhh")


def as_it_is(segment: Segment, **_: object) -> Iterator[bytes]:
    """In place of FFmpeg: what is sent are samples as the file has them."""
    yield from segment.data


class Streams(Family):
    """One client or two."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._queues = world.queues
        self._gateway = Gateway(world.scheduler, world.plan, world.functions)
        self._clients = list(self._some_clients())
        world.network.answers["apigatewaymanagementapi"] = self._gateway.answer
        world.queues.left_alone.add("process_session")  # it is another simulation's

    def _some_clients(self) -> Iterator[Client]:
        chance = random.Random(f"{self._world.plan.seed} clients")
        for number in range(chance.choice((1, 1, 2))):
            chunks = [_CHUNK.pack(number, seq, -seq, 7) for seq in range(chance.randint(1, 4))]
            yield Client(
                f"client {number + 1}",
                self._gateway,
                self._world.plan,
                self._world.scheduler,
                chunks,
                at_once=chance.choice((1, 2, 4)),
                counts=chance.random() < 0.5,
                numbered=chance.random() < 0.7,
                waits=chance.random() < 0.7,
                api_key=_API_KEY if chance.random() < 0.5 else None,
            )

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(assemble, "decode", as_it_is)
        patch.setattr(chunks, "FOLD_EVERY", 2)

    def sources(self) -> Iterator[Source]:
        yield Source("JobsQueue", "jobs_worker", attempts=5, dead="JobsFailedQueue")
        yield Source("JobsFailedQueue", "jobs_failed", attempts=UNLIMITED)
        yield Source(NOTICES, "stream_notify", attempts=5)

    def begin(self) -> Iterator[Process]:
        put_api_key(_API_KEY, _CALLER)
        for client in self._clients:
            yield self._world.scheduler.spawn(client.name, client.run)

    def open(self) -> bool:
        sessions = (store.session(each.known.session_id) for each in self._clients)
        return any(session and not session.status.finished for session in sessions)

    def try_again(self) -> None:
        """Closes each session once more that had been given up."""
        for client in self._clients:
            session = store.session(client.known.session_id)
            if session and session.gave_up:
                service.close_session(session, received_at=clock.now_ms())

    def wrong(self) -> Iterator[str]:
        for client in self._clients:
            for reason in (*_refused(client.known), *self._wrong_of(client.known)):
                yield f"{client.name}: {reason}"

    def _wrong_of(self, known: Streamed) -> Iterator[str]:
        if not known.session_id:
            return
        session = store.session(known.session_id)
        if session is None:
            yield "its session is gone"
            return
        if not session.status.finished:
            yield f"its session is still {session.status}"
            return
        if known.ungreeted and not self._a_greeter_died():
            yield f"it heard {known.ungreeted}, and was never greeted"
        if session.error:
            yield f"its session is {session.status}: {session.error}"
        found = list(self._file(session.file_path))
        expected = [chunk for chunk in known.chunks if chunk in found]
        if found != expected:
            yield f"the file has {_numbers(found)}, which isn't in order, once each"
        lost = [n for n in sorted(known.acknowledged) if known.chunks[n] not in found]
        if lost:
            yield f"chunks {lost} were acknowledged; the file has {_numbers(found)}"
        if len(found) < known.unnumbered:
            yield f"{known.unnumbered} chunks were acknowledged; the file has {len(found)}"
        if session.total_chunks != len(found) or session.bytes_received != 8 * len(found):
            yield f"it tells of {session.total_chunks} chunks; the file has {len(found)}"
        yield from self._untold(session)

    def _a_greeter_died(self) -> bool:
        """Its greeting comes with the next delivery: by then, who hurries may have left."""
        return any(
            each.trouble in (Trouble.KILLED_BEFORE, Trouble.KILLED_AFTER)
            and each.cause.startswith(NOTICES)
            and "PostToConnection" in each.cause
            for each in self._world.plan.struck
        )

    def _untold(self, session: Session) -> Iterator[str]:
        """Whom nobody told of the session's end, and what was told of it besides."""
        sent = [each for each in self._queues.sent if session.session_id in each.body]
        if not any("session_id" in each.told for each in sent if each.queue == NOTICES):
            yield "its connections were told nothing"
        if session.anonymous:
            return
        if session.file_path and not any(each.job == "process_session" for each in sent):
            yield "no memories are made of it"
        events = {
            each.told["event_id"]: each.told["event_type"]
            for each in sent
            if each.job == "event" and each.told["event_type"].startswith("session.")
        }
        ended = "failed" if session.status is Status.ERROR else "completed"
        if [*events.values()][-1:] != [f"session.{ended}"]:
            yield f"webhooks were told {[*events.values()]}"
        if len({*events.values()}) < len(events):
            yield f"webhooks were told twice: {events}"

    @staticmethod
    def _file(key: str | None) -> Iterator[bytes]:
        if key is None:
            return
        samples = samples_of(objects.read(settings.streaming().audio_bucket, key))
        for at in range(0, len(samples), _CHUNK.size):
            yield samples[at : at + _CHUNK.size]


def _refused(known: Streamed) -> Iterator[str]:
    """Chunks for which there was no reason: the clients make no mistakes."""
    for frame in known.refused:
        if frame["error"] not in (FINALIZED, UNSURE):
            yield f"a chunk was refused: {frame['error']}"


def _numbers(found: list[bytes]) -> list[int]:
    return [_CHUNK.unpack(chunk)[1] for chunk in found]
