"""The memories' family: recordings become windows while their owners delete them."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg2
from sqlalchemy import delete, select
from sqlalchemy.exc import OperationalError

from audioapi import clock, database, objects, queues, settings, tables
from audioapi.identity import Principal, put_api_key
from audioapi.media.loudness import Loudness
from audioapi.media.survey import Source as Format
from audioapi.memories.models import DeletedMemory, WorldMMSegment, audio_key
from audioapi.processing import analysis, results, service, store, transcripts
from audioapi.processing.models import Status, Task
from audioapi.recordings import recording_key
from audioapi.speech import parts
from audioapi.speech.transcript import Transcript, Utterance, Word
from audioapi.streaming import service as streams
from audioapi.streaming import store as sessions
from audioapi.streaming.models import Session
from audioapi.streaming.models import Status as SessionStatus
from tests.audio import samples_of, wav
from tests.integration.simulation.api import Api, Asked
from tests.integration.simulation.functions import UNLIMITED, Source
from tests.integration.simulation.network import Call, Trouble
from tests.integration.simulation.simulation import Family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pytest

    from audioapi.media.survey import Report
    from tests.integration.simulation.scheduler import Process
    from tests.integration.simulation.simulation import World

_RATE = 16_000
_LOOKS, _LOOK_SECONDS = 15, 20.0
_LATE_SECONDS = 150.0
"""After which nothing is done any more for a request that was given up: the time-out is 120 s."""
_AGAIN_SECONDS = 10.0


def survey(blocks: Iterable[bytes], *, report: Report, **_: object) -> Iterator[bytes]:
    """In place of FFmpeg: what is read are samples as they are to be."""
    data = b"".join(blocks)
    sound = samples_of(data)
    report.samples = len(sound) // 2
    report.source = Format("wav", "pcm_s16le", _RATE, 1, len(data), 256_000)
    report.loudness = Loudness(None, None, None)
    yield sound


def estimated_seconds(_: bytes, *, size_bytes: int) -> float:
    """A guess that is too long for some, and too short for others."""
    return size_bytes / (2 * _RATE) + (size_bytes % 3 - 1)


def transcribe(blocks: Iterable[bytes], *, offset: float, **_: object) -> Transcript:
    """In place of PocketSphinx: one word."""
    size = sum(map(len, blocks))
    said = Utterance(offset, offset + 0.5, (Word(str(size), offset, offset + 0.5, 1.0),))
    return Transcript((said,), "fake", "1", "en-US")


@dataclass
class Recording:
    """As its owner knows it. `doomed` are windows that are to be deleted, one by one; None: all at
    once. Those that are `gone` were there, and then deleted by an answered request; what became of
    those that are `unanswered`, nobody knows, nor whether others are left if `is_unknown`; of those
    that are `denied`, the first request to delete was told that they aren't there.
    """

    name: str
    key: str
    memory_id: str
    windows: list[bytes]
    is_session: bool
    doomed: list[int] | None
    twice: bool
    again: bool
    requests: int = 0
    tasks: set[str] = field(default_factory=set)
    gone: set[int] = field(default_factory=set)
    unanswered: list[tuple[str, set[int]]] = field(default_factory=list)
    is_unknown: bool = False
    denied: set[int] = field(default_factory=set)

    @property
    def left(self) -> set[int]:
        return set(range(len(self.windows))) - self.gone

    def segment_id(self, window: int) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, audio_key(self.memory_id, window)))


class Owner:
    """Has recordings processed, and deletes some of them."""

    def __init__(self, world: World, number: int) -> None:
        self.name = f"owner {number}"
        self.principal = Principal("dora", f"memories-{number}")
        self.key = f"memories-key-{number}"
        self.recordings: list[Recording] = []
        self._world = world
        self._api = Api(world, self.key)

    def look_after(self, recording: Recording) -> None:
        if not recording.is_session:
            self._process(recording)
        if recording.doomed is None:
            self._delete(recording, recording.memory_id, recording.left)
        else:
            for window in recording.doomed:
                self._delete(recording, recording.segment_id(window), {window})
        if recording.again and not recording.left:
            self._world.scheduler.sleep(_LATE_SECONDS)
            self._process(recording)
            recording.gone.clear()

    def delete_too(self, recording: Recording) -> None:
        """Another tab of the same owner's browser."""
        self._delete(recording, recording.memory_id, recording.left, by="another tab")

    def try_again(self) -> None:
        """Until it is answered, a deletion may have been done by half: of a recording of which no
        other window was expected yet, nothing comes any more.
        """
        for recording in self.recordings:
            for memory_id, windows in recording.unanswered:
                self._ask_to_delete(recording, memory_id, windows, by="again")
            if recording.is_unknown or recording.unanswered:
                self._look_for_rest(recording, f"{recording.name} again")

    def _process(self, recording: Recording) -> None:
        recording.requests += 1
        answer = self._api.insist(
            f"{recording.name}: asked for ({recording.requests})",
            "process_audio",
            self.principal.user_id,
            asked=Asked(
                once=f"{recording.memory_id}-{recording.requests}",
                query={"file_name": recording.key.rpartition("/")[2]},
            ),
        )
        if answer and answer.good:
            recording.tasks.add(answer.body["task_id"])

    def _delete(
        self, recording: Recording, memory_id: str, windows: set[int], *, by: str = "owner"
    ) -> None:
        name = f"{recording.name} {sorted(windows)} by {by}"
        if status := self._seen(name, memory_id):
            self._ask_to_delete(recording, memory_id, windows, by=by)
            if status != "complete":
                self._look_for_rest(recording, name)

    def _look_for_rest(self, recording: Recording, name: str) -> None:
        """A recording of which no more windows were expected is gone with the last of them."""
        asked = Asked({"memory_id": recording.memory_id})
        rest = self._api.insist(f"{name}: looked for", "memories_audio", asked=asked)
        recording.is_unknown = rest is None
        if rest and rest.status == 404 and rest.body["code"] == "MEMORY_NOT_FOUND":
            recording.gone.update(recording.left)

    def _ask_to_delete(
        self, recording: Recording, memory_id: str, windows: set[int], *, by: str
    ) -> None:
        """What isn't there any more, once it was seen, was deleted by a request before."""
        name = f"{recording.name} {sorted(windows)} by {by}: deleted"
        answer = self._api.insist(name, "memory_delete", memory_id)
        if answer and answer.status == 404 and answer.tries == 1:
            recording.denied |= set() if recording.twice or by == "again" else windows
        if answer and answer.status in (200, 404):
            recording.gone |= windows
        else:
            recording.unanswered.append((memory_id, windows))

    def _seen(self, name: str, memory_id: str) -> str | None:
        """Its processing status, when it is there; None if it doesn't come."""
        for number in range(1, _LOOKS + 1):
            asked = Asked({"memory_id": memory_id})
            answer = self._api.ask(f"{name}: seen ({number})", "memories_audio", asked=asked)
            if answer and answer.good:
                return str(answer.body["data"]["processing_status"])
            self._world.scheduler.sleep(_LOOK_SECONDS)
        return None


class Memories(Family):
    """Two owners of the same name in two organisations, with a recording or two."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._owners = [Owner(world, number) for number in (1, 2)]
        self._chance = random.Random(f"{world.plan.seed} memories")

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        scheduler = self._world.scheduler
        passing = SimpleNamespace(monotonic=lambda: scheduler.now, sleep=scheduler.sleep)
        patch.setattr(database, "time", passing)
        patch.setattr(database, "persistently", partial(self._persistently, database.persistently))
        patch.setattr(analysis, "survey", survey)
        patch.setattr(analysis, "estimated_seconds", estimated_seconds)
        patch.setattr(parts, "transcribe", transcribe)
        patch.setattr(parts, "plan", partial(parts.plan, part_seconds=1.5))
        patch.setattr(transcripts, "_recogniser", lambda: None)
        patch.setenv("WINDOW_SECONDS", "1")
        patch.setenv("TRANSCRIBER", "pocketsphinx")
        settings.memories.cache_clear()
        settings.processing.cache_clear()

    def _persistently(
        self,
        really: Callable[..., Any],
        attempt: Callable[[], Any],
        *,
        seconds: float,
    ) -> Any:
        return really(partial(self._transaction, attempt), seconds=seconds)

    def _transaction(self, attempt: Callable[[], Any]) -> Any:
        """A transaction is one call: in the midst of it, nobody else has a turn, who might wait for
        its locks.
        """
        process = self._world.scheduler.current
        if process is None:
            return attempt()

        def perform() -> Any:
            with self._world.scheduler.alone():
                return attempt()

        def lost() -> Any:
            broken = psycopg2.OperationalError("server closed the connection unexpectedly")
            raise OperationalError("transaction", None, broken)

        call = Call("database", "transaction", perform, {Trouble.UNAVAILABLE: lost}, lost)
        return self._world.network.call(process, call)

    def sources(self) -> Iterator[Source]:
        yield Source("JobsQueue", "jobs_worker", attempts=5, dead="JobsFailedQueue")
        yield Source("JobsFailedQueue", "jobs_failed", attempts=UNLIMITED)

    def begin(self) -> Iterator[Process]:
        _empty()
        self._world.queues.left_alone.discard("process_session")
        spawn = self._world.scheduler.spawn
        for owner in self._owners:
            put_api_key(owner.key, owner.principal)
            for number in range(self._chance.choice((0, 1, 1))):
                recording = self._recording(owner, number)
                owner.recordings.append(recording)
                if recording.is_session:
                    self._have_processed(owner, recording, 1)
                yield spawn(recording.name, partial(owner.look_after, recording))
                if recording.twice:
                    name = f"{recording.name}, too"
                    yield spawn(name, partial(owner.delete_too, recording))

    def _recording(self, owner: Owner, number: int) -> Recording:
        chance, principal = self._chance, owner.principal
        windows = [_sound(owner, number, window) for window in range(chance.randint(1, 3))]
        windows[-1] = windows[-1][: 2 * chance.randint(100, _RATE)]
        is_session, session_id = chance.random() < 0.6, str(uuid.uuid4())
        whole = chance.random() < 0.5
        some = [window for window in range(len(windows)) if chance.random() < 0.4]
        key = (
            f"audio_sessions/{session_id}.wav"
            if is_session
            else recording_key(principal.organization_id, principal.user_id, f"{number}.wav")
        )
        etag = _put(key, wav(b"".join(windows), rate=_RATE, channels=1))
        if is_session:
            _put(f"chunks/{session_id}/seq/0000000000", windows[0])
            _keep_session(principal, session_id, key)
        return Recording(
            f"recording {owner.name[-1]}.{number + 1}",
            key,
            session_id if is_session else _memory_id(key, etag),
            windows,
            is_session,
            doomed=None if whole else some,
            twice=(twice := whole and chance.random() < 0.4),
            again=not is_session and not twice and chance.random() < 0.5,
        )

    def _have_processed(self, owner: Owner, recording: Recording, number: int) -> None:
        """As whoever has made the session's file does: again until it is done."""
        done: list[None] = []
        message = {
            "type": "process_session",
            "session_id": recording.memory_id,
            "organization_id": owner.principal.organization_id,
            "user_id": owner.principal.user_id,
            "key": recording.key,
            "start_time": 1_795_251_600_000,
        }

        def send() -> None:
            queues.send(settings.processing().jobs_queue_url, message)
            done.append(None)

        def again() -> None:
            if not done:
                self._have_processed(owner, recording, number + 1)

        recording.tasks.add(recording.memory_id)
        name = f"{recording.name}: sent ({number})"
        after = 0.0 if number == 1 else _AGAIN_SECONDS
        self._world.scheduler.spawn(name, send, after=after, at_end=again)

    def try_again(self) -> None:
        """Also has tasks tried again that were given up, as an operator does."""
        for owner in self._owners:
            owner.try_again()
        for recording in self._all():
            for task_id in _tasks(recording):
                task = store.task(task_id)
                if task and task.status is Status.FAILURE and not task.deleted:
                    service.retry(task_id)

    def _all(self) -> Iterator[Recording]:
        return (recording for owner in self._owners for recording in owner.recordings)

    def wrong(self) -> Iterator[str]:
        for owner in self._owners:
            known = {recording.memory_id for recording in owner.recordings}
            if strange := {row.memory_id for row in _rows(owner)} - known:
                yield f"{owner.name} has {strange} of somebody else's"
            for recording in owner.recordings:
                for reason in self._wrong_of(owner, recording):
                    yield f"{recording.name}: {reason}"

    def _wrong_of(self, owner: Owner, recording: Recording) -> Iterator[str]:
        rows = {
            row.source_window_index: row
            for row in _rows(owner)
            if row.memory_id == recording.memory_id and row.source_window_index is not None
        }
        tasks = [task for task_id in _tasks(recording) if (task := store.task(task_id))]
        if recording.denied:
            yield f"windows {recording.denied} were there, and the answer to their deletion was 404"
        expected = recording.left if tasks else set()
        if rows.keys() != expected:
            yield f"windows {sorted(rows)} are there, and {sorted(expected)} should be"
        kept = {
            key: _read(key) for key in objects.keys(_bucket(), f"sessions/{recording.memory_id}/")
        }
        sounds = {
            audio_key(recording.memory_id, window): wav(
                recording.windows[window], rate=_RATE, channels=1
            )
            for window in expected
        }
        if kept != sounds:
            yield f"objects {sorted(kept)} are there, and {sorted(sounds)} should be"
        if pending := {
            i: r.processing_status for i, r in rows.items() if r.processing_status != "complete"
        }:
            yield f"windows are {pending}"
        yield from self._untold(recording, tasks)
        for task in tasks:
            yield from _wrong_of_task(recording, task, whole=bool(rows))
        if recording.is_session:
            yield from _wrong_of_session(recording, whole=bool(rows))

    def _untold(self, recording: Recording, tasks: list[Task]) -> Iterator[str]:
        if len(tasks) > max(1, recording.requests):
            yield f"{len(tasks)} tasks were begun by {recording.requests} requests"
        for task in tasks:
            told = [
                each.told["event_type"]
                for each in self._world.queues.sent
                if each.job == "event" and each.told["data"].get("task_id") == task.task_id
            ]
            ended = "completed" if task.status is Status.SUCCESS else "failed"
            if f"recording.{ended}" not in told:
                yield f"a task is {task.status}, and webhooks were told {told}"


def _wrong_of_task(recording: Recording, task: Task, *, whole: bool) -> Iterator[str]:
    """What it says of results, and what there is of them."""
    if not task.status.finished:
        yield f"a task is still {task.status}"
    objects_left = list(objects.keys(_bucket(), results.key(task.task_id, "")))
    if task.deleted or not whole:
        if objects_left:
            yield f"{objects_left} are left of a task"
        return
    if task.status is not Status.SUCCESS:
        yield f"a task failed: {task.error}"
        return
    result = results.result(task)
    given_up = any("was not transcribed" in warning for warning in result.warnings)
    if result.urls is None or (result.windows, result.text is None) != (
        len(recording.windows),
        given_up,
    ):
        yield f"a task tells of {result.windows} windows, {result.text!r} and {result.urls}"
    sound = samples_of(_read(results.key(task.task_id, results.Name.AUDIO)))
    if sound != b"".join(recording.windows):
        yield f"a task's sound has {len(sound)} bytes"


def _wrong_of_session(recording: Recording, *, whole: bool) -> Iterator[str]:
    session = sessions.session(recording.memory_id)
    assert session
    prefixes = (recording.key, f"chunks/{recording.memory_id}/")
    there = [key for prefix in prefixes for key in objects.keys(_bucket(), prefix)]
    shown = streams.download_url(session) is not None
    everything = recording.left or whole
    if everything and (not shown or len(there) != len(prefixes)):
        yield f"of its session {there} is left"
    if not everything and (shown or there):
        yield f"of its session {there} is left, and its address is {'shown' if shown else 'hidden'}"


def _tasks(recording: Recording) -> set[str]:
    """Also those of which its owner doesn't know."""
    return recording.tasks | store.makers(recording.memory_id)


def _rows(owner: Owner) -> list[WorldMMSegment]:
    wanted = select(WorldMMSegment).where(
        WorldMMSegment.organization_id == owner.principal.organization_id
    )
    return list(database.transaction(lambda session: session.scalars(wanted).all()))


def _empty() -> None:
    def work(session: Any) -> None:
        session.execute(delete(WorldMMSegment))
        session.execute(delete(DeletedMemory))

    database.transaction(work)


def _sound(owner: Owner, number: int, window: int) -> bytes:
    """A second that is nobody else's."""
    value = 1000 * int(owner.name[-1]) + 100 * number + window
    return value.to_bytes(2, "little") * _RATE


def _memory_id(key: str, etag: str) -> str:
    known = Task(
        task_id="", organization_id="", user_id="", file_id="", key=key, etag=etag,
        created_at=0, updated_at=0, ttl=0,
    )  # fmt: skip
    assert known.memory_id
    return known.memory_id


def _keep_session(owner: Principal, session_id: str, key: str) -> None:
    """One that has ended, with a file."""
    now = clock.now_ms()
    session = Session(
        session_id=session_id,
        organization_id=owner.organization_id,
        user_id=owner.user_id,
        status=SessionStatus.COMPLETED,
        sample_rate=_RATE,
        channels=1,
        format="wav",
        start_time=now,
        expires_at=now,
        last_activity=now,
        file_path=key,
    )
    item = {**session.model_dump(exclude_none=True), **sessions._session_key(session_id)}
    tables.put_new(settings.streaming().streams_table, item, key="pk")


def _put(key: str, data: bytes) -> str:
    """Its ETag."""
    return objects.client().put_object(Bucket=_bucket(), Key=key, Body=data)["ETag"]


def _read(key: str) -> bytes:
    return objects.read(_bucket(), key)


def _bucket() -> str:
    return settings.processing().audio_bucket
