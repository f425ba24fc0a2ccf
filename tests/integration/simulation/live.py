"""The live family: conversations are sent chunk by chunk and listened to meanwhile, and what was
acknowledged has to be told, once and in its place.
"""

from __future__ import annotations

import json
import random
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from audioapi import objects, settings
from audioapi.analysis import metrics
from audioapi.analysis.live import chunks, event_stream, service, store
from audioapi.analysis.live.models import Status
from audioapi.analysis.recognition import diarisation
from audioapi.identity import Principal, put_api_key
from audioapi.media import conversation as media
from audioapi.media.errors import NotAudioError
from audioapi.speech.transcript import Word
from audioapi.speech.utterances import Speech
from tests import forms
from tests.integration.audioapi.functions import app
from tests.integration.simulation import served
from tests.integration.simulation.api import Api, Asked
from tests.integration.simulation.functions import UNLIMITED, Source
from tests.integration.simulation.network import Trouble
from tests.integration.simulation.simulation import Family

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest

    from audioapi.analysis.live.models import LiveSession
    from tests.integration.simulation.api import Answer
    from tests.integration.simulation.scheduler import Process
    from tests.integration.simulation.simulation import World

QUEUE, DEAD = "LiveQueue.fifo", "LiveFailedQueue.fifo"
_API_KEY, _CALLER = "live-key", Principal("frank", "live-1")
_ATTEMPTS = 5
_IDLE_SECONDS = 5
_TTL_SECONDS = 3600
_RETRY_SECONDS, _TAKEN_SECONDS, _PATIENCE_SECONDS = 2.0, 20.0, 900.0
"""Until a listener connects again, the second one if another listens."""
_GRACE_SECONDS = 55.0
"""Within so many, a consumer may surely come back for events that were lost on their way."""
_SILENCE = bytes(2 * 160)


@contextmanager
def sound(blocks: Iterable[bytes], **_: object) -> Iterator[media.Sound]:
    """In place of FFmpeg: what is sent is what is heard."""
    heard = (block for block in blocks if block)
    first = next(heard, None)
    if first is None:
        raise NotAudioError("nothing was sent")

    def all_of_it() -> Iterator[bytes]:
        yield first
        yield from heard

    yield media.Sound(channels=1, blocks=all_of_it())


class Hearing:
    """In place of the Diariser: hears words, each of which takes a second. One that ends with a
    full stop ends its utterance.
    """

    def __init__(self, *_: object, after: tuple[str, float] | None = None) -> None:
        self._after = -1.0 if after is None else after[1]
        self._at = 0
        self._words: list[Word] = []

    def feed(self, pcm: bytes) -> Iterator[diarisation.RecognisedUtterance | diarisation.Partial]:
        for text in pcm.decode().split():
            self._words.append(Word(text, self._at, self._at + 0.8, 1.0))
            self._at += 1
            if text.endswith("."):
                yield from self.finish()
            elif self._start > self._after:
                said = " ".join(word.text for word in self._words)
                yield diarisation.Partial("speaker_1", self._start, said)

    def finish(self) -> Iterator[diarisation.RecognisedUtterance]:
        if self._words and self._start > self._after:
            speech = Speech(self._start, self._words[-1].end, _SILENCE)
            yield diarisation.RecognisedUtterance("speaker_1", speech, tuple(self._words))
        self._words = []

    @property
    def _start(self) -> float:
        return self._words[0].start


@dataclass(eq=False)
class Speaker:
    """Sends words, a chunk each, one after the other and again until it is answered; then ends the
    conversation, if it `ends` it.
    """

    name: str
    talk: Talk
    api: Api
    words: list[str]
    begins_after: float
    pauses: list[float]
    ends: str | None
    keeps_alive: bool
    taken: dict[int, str] = field(default_factory=dict)
    refused: list[Answer] = field(default_factory=list)
    over: bool = False

    def run(self) -> None:
        self.talk.world.scheduler.sleep(self.begins_after)
        if self.talk.begun(self.api):
            self._speak()
            self.end()
        self.over = True

    def end(self) -> None:
        """Until it is known to be done."""
        if self.ends is None or self.talk.ended:
            return
        asked = Asked({"action": self.ends, "reason": "enough"})
        answer = self.api.insist(
            f"{self.name}: {self.ends}", "live_control", self.talk.session_id, asked=asked
        )
        self.talk.ended = self.talk.ended or (answer is not None and answer.status < 500)

    def _speak(self) -> None:
        seq = 0
        while seq < len(self.words):
            self.talk.world.scheduler.sleep(self.pauses[seq])
            answer = self._send(seq)
            if answer is None:
                return
            if answer.good:
                self.taken[seq] = self.words[seq]
            elif "next_chunk_seq" not in answer.body or answer.body["next_chunk_seq"] <= seq:
                self.refused.append(answer)
                return
            seq = answer.body["next_chunk_seq"]

    def _send(self, seq: int) -> Answer | None:
        if self.keeps_alive:
            asked = Asked({"action": "keepalive"})
            self.api.ask(
                f"{self.name}: keepalive {seq}", "live_control", self.talk.session_id, asked=asked
            )
        number, data = str(seq).encode(), chunk(self.words[seq])
        form = forms.multipart(("chunk", "blob", data), ("chunk_seq", None, number))
        return self.api.insist(
            f"{self.name}: chunk {seq}", "live_chunk", self.talk.session_id, asked=Asked(form=form)
        )


@dataclass(eq=False)
class Listener:
    """Hears a conversation's events to the end, by one connection after the other. Some are cut
    off, of which nobody tells the function.
    """

    name: str
    talk: Talk
    server: served.Server
    heard: list[served.Heard] = field(default_factory=list)
    reader: served.Reader = field(default_factory=served.Reader)
    connections: int = 0
    left_at: float = 0.0
    gone_at: float | None = None

    @property
    def done(self) -> bool:
        return bool(self.heard) and self.heard[-1].type == "done"

    @property
    def over(self) -> bool:
        return self.done or self.gone_at is not None

    def run(self) -> None:
        scheduler = self.talk.world.scheduler
        while not self.talk.session_id and not self.talk.over:
            scheduler.sleep(1)
        until = scheduler.now + _PATIENCE_SECONDS
        while self.talk.session_id and not self.over and scheduler.now < until:
            refused = self._connect() == 409
            if not self.over:
                scheduler.sleep(_TAKEN_SECONDS if refused else _RETRY_SECONDS)
            if not self.talk.over:
                until = scheduler.now + _PATIENCE_SECONDS

    def _connect(self) -> int:
        """The status of what came to its end."""
        self.connections += 1
        name, headers = f"{self.name}.{self.connections}", {"x-api-key": _API_KEY}
        if last := self.reader.last_event_id:
            headers["last-event-id"] = last
        self.reader = served.Reader(last)
        path = f"/analyze/live/{self.talk.session_id}/events"
        response = self.server.ask(name, served.Request(path, headers))
        self._listen(name, response)
        return response.status

    def _listen(self, name: str, response: served.Response) -> None:
        scheduler, plan = self.talk.world.scheduler, self.talk.world.plan
        cut = plan.happens(f"{name}'s connection", [Trouble.LOST], now=scheduler.now)
        until = scheduler.now + (plan.amount(name, 0.5, 30) if cut else _PATIENCE_SECONDS)
        while (piece := response.pieces.get(until - scheduler.now)) is not None:
            if response.status == 200:
                self.left_at = scheduler.now
                self.heard += self.reader.feed(piece)
            elif response.status == 404:
                self.gone_at = scheduler.now
            if self.over or scheduler.now >= until:
                return

    def wrong(self) -> Iterator[str]:
        told = [(str(n), event.type.value, event.data) for n, event in self.talk.log()]
        heard = [
            (*event.id.split(".")[:1], event.type, event.data) for event in self.heard if event.id
        ]
        if heard != told[: len(heard)]:
            yield f"it heard {_names(heard)}, and {_names(told)} were told"
        elif self.done and len(heard) < len(told):
            yield f"it heard only {_names(heard)} of {_names(told)}"
        if not self.done and not self._may_have_missed_it():
            yield f"it heard only {_names(heard)} of {_names(told)}, and never of the end"

    def _may_have_missed_it(self) -> bool:
        """Another one was told, or it was away for too long."""
        if any(each.done for each in self.talk.listeners):
            return True
        away = self.gone_at is not None and self.gone_at - self.left_at > _GRACE_SECONDS
        return away or Trouble.CLOCK in self.talk.world.plan.kinds


class Traces:
    """What is left of conversations in the bucket, but for what came when it was being removed."""

    def __init__(self, world: World) -> None:
        self._scheduler = world.scheduler
        self._put_at: dict[str, float] = {}
        self._removed_at: dict[str, float] = {}

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        put, remove = objects.put, service.delete_chunks

        def note_put(bucket: str, key: str, data: bytes, *, content_type: str) -> None:
            try:
                put(bucket, key, data, content_type=content_type)
            finally:
                self._put_at[key] = self._scheduler.now

        def note_removal(session: LiveSession) -> None:
            self._removed_at[session.session_id] = self._scheduler.now
            remove(session)

        patch.setattr(objects, "put", note_put)
        patch.setattr(service, "delete_chunks", note_removal)

    def left(self, session_id: str) -> list[str]:
        removed_at = self._removed_at.get(session_id, 0.0)
        keys = objects.keys(_bucket(), f"live/{session_id}/")
        return [key for key in keys if not removed_at < self._put_at[key]]


@dataclass(eq=False)
class Talk:
    """A conversation, which its first speaker starts."""

    name: str
    world: World
    traces: Traces
    once: str | None
    speakers: list[Speaker] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    session_id: str = ""
    ended: bool = False
    starting: bool = False
    answered: bool = False

    @property
    def over(self) -> bool:
        """Whether nobody says anything more."""
        return all(speaker.over for speaker in self.speakers)

    def begun(self, api: Api) -> bool:
        """Whether there is a session."""
        while self.starting and not self.answered:
            self.world.scheduler.sleep(1)
        if not self.starting:
            self.starting = True
            asked = Asked({"suffix": ".wav", "ttl_seconds": _TTL_SECONDS}, once=self.once)
            answer = api.insist(f"{self.name} starts", "live_start", asked=asked)
            self.session_id = answer.body["session_id"] if answer and answer.good else ""
            self.answered = True
        return bool(self.session_id)

    def log(self) -> Iterator[tuple[int, Any]]:
        """What was told, by number."""
        number = 0
        while found := store.events_after(self.session_id, number):
            for each in found:
                yield each.number, each.event
            number = found[-1].number

    def wrong(self) -> Iterator[str]:
        session = store.get(self.session_id)
        assert session
        counted = self._counted(session)
        for speaker in self.speakers:
            lost = {n: w for n, w in speaker.taken.items() if counted[n : n + 1] != [w]}
            if lost:
                yield f"{speaker.name}: {lost} were acknowledged, and {counted} were counted"
            if speaker.refused and not self._may_be_refused(speaker):
                yield f"{speaker.name} was refused: {speaker.refused[0].body}"
        yield from self._wrong_of_end(session, counted)
        for listener in self.listeners:
            yield from (f"{listener.name}: {reason}" for reason in listener.wrong())
        if left := self.traces.left(self.session_id):
            yield f"{left} are left behind"

    def _counted(self, session: LiveSession) -> list[str]:
        words = {
            sha256(chunk(word)).hexdigest(): word
            for speaker in self.speakers
            for word in speaker.words
        }
        return [words[key.rpartition("-")[2]] for key in store.chunk_keys(session)]

    def _may_be_refused(self, speaker: Speaker) -> bool:
        """Another one may have ended the conversation, which may be delivered even."""
        return len(self.speakers) > 1 and speaker.refused[0].status in (404, 409)

    def _wrong_of_end(self, session: LiveSession, counted: list[str]) -> Iterator[str]:
        events = [event for _, event in self.log()]
        types = [event.type.value for event in events]
        heard = [e.data["text"] for e in events if e.type == "final_transcript"]
        words = " ".join(heard).split()
        whole = session.status is Status.COMPLETED
        if words != (counted if whole else counted[: len(words)]):
            yield f"{counted} were counted, and {heard} were told"
        ends = ["summary_update", "status", "done"] if whole else ["error", "done"]
        if types[-len(ends) :] != ends or types.count("done") != 1 or "error" in types[:-2]:
            yield f"it is {session.status}, and {types} were told"
        if session.status not in self._expected(counted) and not self._may_have_failed(session):
            code = events[-2].data if types[-2:-1] == ["error"] else ""
            yield f"it is {session.status}: {code}"
        if whole:
            yield from self._wrong_of_artifacts(session, heard)

    def _expected(self, counted: list[str]) -> set[Status]:
        """How it may end if nothing is broken for good. Nothing can be found in no words."""
        ways = {speaker.ends for speaker in self.speakers}
        finalized = Status.COMPLETED if counted else Status.FAILED
        return {finalized if way == "finalize" else Status.CANCELLED for way in ways if way}

    def _may_have_failed(self, session: LiveSession) -> bool:
        """Workers were killed again and again, as those are that can't do the work."""
        dead = [m for m in self.world.queues.sent if m.queue == QUEUE and m.attempt > _ATTEMPTS]
        return session.status is Status.FAILED and any(
            m.told["session_id"] == self.session_id and m.killed >= _ATTEMPTS - 1 for m in dead
        )

    def _wrong_of_artifacts(self, session: LiveSession, heard: list[str]) -> Iterator[str]:
        folder = f"artifacts/{session.conversation_id}/{session.started_at}"
        names = ["agent_outputs.json", "timeline.json", "upload.wav"]
        found = {key.rpartition("/")[2]: key for key in objects.keys(_bucket(), f"{folder}/")}
        if sorted(found) != names:
            yield f"it is completed, and kept are only {sorted(found)}"
            return
        timeline = json.loads(objects.read(_bucket(), found["timeline.json"]))["timeline"]
        if [utterance["text"] for utterance in timeline] != heard:
            yield f"{heard} were told, and {timeline} are kept"
        upload = objects.read(_bucket(), found["upload.wav"])
        if upload.decode().split() != " ".join(heard).split():
            yield f"{heard} were told, and {upload!r} is kept"


class Live(Family):
    """One conversation or two. Sometimes two speak in one, the same words or others, and two
    listen.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._api = Api(world, _API_KEY)
        chance = random.Random(f"{world.plan.seed} live")
        self._server = served.Server(world, "live_events")
        self._traces = Traces(world)
        self._talks = [
            self._some_talk(chance, n) for n in range(1, chance.choice((1, 1, 1, 2)) + 1)
        ]
        world.functions.time_outs["live_worker"] = chance.choice((40.0, 120.0, 900.0))
        world.functions.time_outs["live_events"] = chance.choice((45.0, 900.0))

    def _some_talk(self, chance: random.Random, number: int) -> Talk:
        name = f"talk {number}"
        once = f"once-{number}" if chance.random() < 0.5 else None
        talk = Talk(name, self._world, self._traces, once)
        ends = "cancel" if chance.random() < 0.2 else "finalize"
        letters = chance.choice(("a", "a", "a", "aa", "ab"))
        count = chance.choice((0, 1, 2, 3, 3, 4, 5))
        full_stops = [chance.choice(("", ".")) for _ in range(count)]
        for nth, letter in enumerate(letters, start=1):
            talk.speakers.append(
                Speaker(
                    f"{name}, speaker {nth}",
                    talk,
                    self._api,
                    [f"{number}{letter}{n}{stop}" for n, stop in enumerate(full_stops)],
                    chance.choice((0.0, 2.0, 20.0, 60.0)),
                    [chance.choice((0.1, 0.1, 1.0, 9.0)) for _ in range(count)],
                    ends if nth == 1 or chance.random() < 0.5 else None,
                    keeps_alive=chance.random() < 0.1,
                )
            )
        for nth in range(1, chance.choice((1, 1, 2)) + 1):
            talk.listeners.append(Listener(f"{name}, listener {nth}", talk, self._server))
        return talk

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        quick = settings.live().model_copy(update={"live_idle_seconds": _IDLE_SECONDS})
        patch.setattr(settings, "live", lambda: quick)
        patch.setattr(media, "sound", sound)
        patch.setattr(diarisation, "Diariser", Hearing)
        patch.setattr(chunks, "_SOON_SECONDS", 0.5)
        patch.setattr(chunks, "_LATER_SECONDS", 2.0)
        patch.setattr(chunks, "_FOLDED_CHUNKS", 2)
        patch.setattr(event_stream, "POLL_SECONDS", 8.0)
        patch.setattr(event_stream, "RENEW_SECONDS", 15.0)
        patch.setattr(event_stream, "LEASE_MS", 25_000)
        patch.setattr(metrics, "_forgiven", lambda _: None)  # what isn't counted fails nothing
        patch.setattr(app("live_events"), "time", served.clock_of(self._world.scheduler))
        served.patch_threads(patch)
        self._traces.patch(patch)

    def sources(self) -> Iterator[Source]:
        yield Source(QUEUE, "live_worker", attempts=_ATTEMPTS, dead=DEAD)
        yield Source(DEAD, "live_failed", attempts=UNLIMITED)

    def begin(self) -> Iterator[Process]:
        put_api_key(_API_KEY, _CALLER)
        for talk in self._talks:
            for speaker in talk.speakers:
                yield self._world.scheduler.spawn(speaker.name, speaker.run)
            for listener in talk.listeners:
                yield self._world.scheduler.spawn(listener.name, listener.run)

    def try_again(self) -> None:
        """Ends what wasn't ended, and listens to the end."""
        for talk in self._talks:
            if talk.session_id:
                for speaker in talk.speakers:
                    speaker.end()
                for listener in talk.listeners:
                    listener.run()

    def wrong(self) -> Iterator[str]:
        for talk in self._talks:
            if talk.session_id:
                yield from (f"{talk.name}: {reason}" for reason in talk.wrong())


def chunk(word: str) -> bytes:
    return f"{word} ".encode()


def _names(events: list[tuple[str, str, Any]]) -> list[str]:
    return [f"{number} {kind}" for number, kind, _ in events]


def _bucket() -> str:
    return settings.analysis().audio_bucket
