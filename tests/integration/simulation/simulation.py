"""One run by a seed: clients stream, everything that can happen to them happens, and when all is
quiet again what was acknowledged has to be in the files.
"""

from __future__ import annotations

import random
import struct
import time
import uuid
from collections import Counter
from concurrent.futures import Executor, Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from audioapi import clock, objects, observe, queues, settings
from audioapi.identity import Principal, put_api_key
from audioapi.media import assemble
from audioapi.streaming import service, store
from audioapi.streaming.models import Status
from tests.audio import samples_of
from tests.integration.simulation.functions import Functions, Queues, Source
from tests.integration.simulation.network import Network, Plan, Struck
from tests.integration.simulation.scheduler import Process, Scheduler
from tests.integration.simulation.stream import Client, Gateway, Streamed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    import pytest

    from audioapi.media.segments import Segment
    from audioapi.streaming.models import Session
    from local.template.model import Stack

NOTICES = "NotificationsQueue"
BEGAN = 1_800_000_000.0
_QUIET_AFTER = 300.0
"""Seconds after which nothing is disturbed any more."""
_SWEEP_EVERY, _MOST_SWEEPS = 60.0, 30
_API_KEY, _CALLER = "simulated-key", Principal("alice", "acme")
_LEFT_ALONE = ("process_session",)
"""Jobs that are asked for, and are another simulation's."""
_CHUNK = struct.Struct("<hhhh")


@dataclass
class Outcome:
    """What was wrong at the end, and what had happened on the way."""

    seed: int
    wrong: list[str]
    struck: list[Struck]
    counts: dict[str, int] = field(default_factory=dict)

    def story(self) -> str:
        first = {str(each): each.at for each in reversed(self.struck)}
        lines = [f"{at:8.2f} s  {what}" for what, at in sorted(first.items(), key=lambda it: it[1])]
        return "\n".join(
            [f"Seed {self.seed}", *lines, *(f"   wrong  {each}" for each in self.wrong)]
        )


class AtOnce(Executor):
    """In place of a pool of threads: what is submitted is done."""

    def __init__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*given, **named))
        except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
            done.set_exception(error)
        return done


def as_it_is(segment: Segment, **_: object) -> Iterator[bytes]:
    """In place of FFmpeg: what is sent are samples as the file has them."""
    yield from segment.data


class World:
    """Everything of one run."""

    def __init__(self, stack: Stack, plan: Plan) -> None:
        self.plan = plan
        self.scheduler = Scheduler(BEGAN)
        plan.began = BEGAN
        self.network = Network(self.scheduler, plan)
        self.functions = Functions(stack, self.scheduler, plan)
        sources = [
            Source("JobsQueue", "jobs_worker", attempts=5, dead="JobsFailedQueue"),
            Source("JobsFailedQueue", "jobs_failed", attempts=5),
            Source(NOTICES, "stream_notify", attempts=5),
        ]
        self.queues = Queues(
            self.scheduler,
            plan,
            self.functions,
            {source.queue: source for source in sources},
            left_alone=_LEFT_ALONE,
        )
        self.gateway = Gateway(self.scheduler, plan, self.functions)
        self.network.answers = {
            "sqs": self.queues.answer,
            "apigatewaymanagementapi": self.gateway.answer,
        }
        self.clients = list(self._clients())

    def _clients(self) -> Iterator[Client]:
        chance = random.Random(f"{self.plan.seed} clients")
        for number in range(chance.choice((1, 1, 2))):
            chunks = [_CHUNK.pack(number, seq, -seq, 7) for seq in range(chance.randint(1, 4))]
            yield Client(
                f"client {number + 1}",
                self.gateway,
                self.plan,
                self.scheduler,
                chunks,
                at_once=chance.choice((1, 2, 4)),
                counts=chance.random() < 0.5,
                numbered=chance.random() < 0.7,
                waits=chance.random() < 0.7,
                api_key=_API_KEY if chance.random() < 0.5 else None,
            )

    def run(self) -> None:
        put_api_key(_API_KEY, _CALLER)
        processes = [self.scheduler.spawn(each.name, each.run) for each in self.clients]
        self.scheduler.spawn("schedule", self._sweep)
        self.scheduler.spawn("quiet", self._be_quiet, after=_QUIET_AFTER)
        self.scheduler.run()
        processes += [
            self.scheduler.spawn(f"{each.name}'s owner", partial(self._try_again, each.known))
            for each in self.clients
        ]
        self.scheduler.run()
        for process in processes:
            if process.error:
                raise process.error

    def _sweep(self) -> None:
        """As often as the template has it, until nothing is left to be swept."""
        for number in range(1, _MOST_SWEEPS + 1):
            self.scheduler.sleep(_SWEEP_EVERY)
            self.functions.invoke("stream_sweep", f"sweep {number}", {})
            if self.plan.over and not self._open():
                return

    def _open(self) -> bool:
        sessions = (store.session(each.known.session_id) for each in self.clients)
        return any(session and not session.status.finished for session in sessions)

    @staticmethod
    def _try_again(known: Streamed) -> None:
        """Closes the session once more, if it had been given up."""
        session = store.session(known.session_id)
        if session and session.gave_up:
            service.close_session(session, received_at=clock.now_ms())

    def _be_quiet(self) -> None:
        self.plan.over = True

    def wrong(self) -> Iterator[str]:
        for client in self.clients:
            for reason in self._wrong_of(client.known):
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
        if known.ungreeted:
            yield f"it heard {known.ungreeted}, and was never greeted"
        if session.status is Status.ERROR:
            yield f"its session failed: {session.error}"
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

    def _untold(self, session: Session) -> Iterator[str]:
        """Whom nobody told of the session's end, and what was told of it besides."""
        sent = [each for each in self.queues.sent if session.session_id in each.body]
        if not any("session_id" in each.told for each in sent if each.queue == NOTICES):
            yield "its connections were told nothing"
        if session.anonymous:
            return
        if session.file_path and not any(each.job == "process_session" for each in sent):
            yield "no memories are made of it"
        events = {
            each.told["event_id"]: each.told["event_type"] for each in sent if each.job == "event"
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


def _numbers(found: list[bytes]) -> list[int]:
    return [_CHUNK.unpack(chunk)[1] for chunk in found]


def simulate(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, seed: int, only: Collection[str] | None = None
) -> Outcome:
    """A run; `only` are the causes of trouble that come into their own, None: all."""
    plan = Plan(seed, only)
    world = World(stack, plan)
    with simulated(world, monkeypatch, seed):
        world.run()
        wrong = list(world.wrong())
    counts = {
        "calls": world.network.calls,
        "invocations": world.functions.invocations,
        **Counter(each.trouble.name.lower().replace("_", " ") for each in plan.struck),
    }
    return Outcome(seed, wrong, plan.struck, counts)


@contextmanager
def simulated(world: World, monkeypatch: pytest.MonkeyPatch, seed: int) -> Iterator[None]:
    """Time, threads and what lies outside are the simulation's."""
    scheduler = world.scheduler
    chance = random.Random(f"{seed} ids")

    def now_ns() -> int:
        process: Process | None = scheduler.current
        return round(1e9 * (scheduler.now + (process.clock_off if process else 0.0)))

    store.connection.cache_clear()
    random.seed(seed)  # the SDK's pauses
    with monkeypatch.context() as patch:
        world.network.open(patch)
        patch.setattr(clock, "time", SimpleNamespace(time_ns=now_ns))
        patch.setattr(time, "sleep", scheduler.sleep)
        patch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=chance.getrandbits(128), version=4))
        patch.setattr(objects, "ThreadPoolExecutor", AtOnce)
        patch.setattr(assemble, "decode", as_it_is)
        patch.setattr(queues, "held", lambda *_, **__: nullcontext())
        patch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
        level = observe.logger.log_level
        observe.logger.setLevel("CRITICAL")
        try:
            yield
        finally:
            observe.logger.setLevel(level)
