"""Live conversations for tests: sound that is spoken chunk by chunk, and who listens to events."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import audio, forms
from tests.sse import Sent, opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.e2e.stack import Answer, Stack

RATE = 16_000
CHUNK_SECONDS = 0.5


def breath(seconds: float) -> bytes:
    """The sample's first words, a little more than that long with the quiet after them."""
    return audio.samples_of(Path("local/samples/speech.wav").read_bytes())[
        : round(seconds * RATE) * 2
    ]


def quiet(seconds: float) -> bytes:
    return bytes(round(seconds * RATE) * 2)


def conversation(*breaths: float, pause: float = 1.2) -> bytes:
    """A WAV file of so many utterances, each of so many seconds, with pauses between them."""
    sound = quiet(0.3) + b"".join(breath(seconds) + quiet(pause) for seconds in breaths)
    return audio.wav(sound, rate=RATE, channels=1)


def chunk_bytes(seconds: float) -> int:
    return round(seconds * RATE) * 2


def chunk_count(file: bytes) -> int:
    """How many chunks a recording is spoken in."""
    return len(audio.chunks(file, chunk_bytes(CHUNK_SECONDS)))


@dataclass(frozen=True)
class Live:
    """A session, by its key's owner."""

    stack: Stack
    started: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.started["session_id"])

    @property
    def conversation_id(self) -> str:
        return str(self.started["conversation_id"])

    @property
    def events_url(self) -> str:
        return f"{self.started['events_endpoint']}?api_key={self.stack.api_key}"

    def send(self, seq: int, data: bytes) -> Answer:
        body = forms.multipart(("chunk", "blob", data), ("chunk_seq", None, str(seq).encode()))
        return self.stack.post_form(f"/analyze/live/{self.id}/chunk", body)

    def control(self, action: str, **more: object) -> Answer:
        path = f"/analyze/live/{self.id}/control"
        return self.stack.request("POST", path, {"action": action, **more})

    def speak(self, file: bytes, *, speed: float, chunk_seconds: float = CHUNK_SECONDS) -> None:
        """Sends a recording at so many times its own pace."""
        for _ in self.speaking(file, speed=speed, chunk_seconds=chunk_seconds):
            pass

    def speaking(
        self, file: bytes, *, speed: float, chunk_seconds: float = CHUNK_SECONDS
    ) -> Iterator[int]:
        """The same; each chunk's number once it was taken."""
        begun = time.monotonic()
        for seq, chunk in enumerate(audio.chunks(file, chunk_bytes(chunk_seconds))):
            due = begun + (seq + 1) * chunk_seconds / speed  # a chunk is whole when it was spoken
            time.sleep(max(0.0, due - time.monotonic()))  # its pace is what a recording has
            answer = self.send(seq, chunk)
            assert answer.status == 200, answer.body
            assert answer.body["next_chunk_seq"] == seq + 1
            yield seq


@dataclass
class Consumer:
    """Reads a session's events as an EventSource does: it comes back with its Last-Event-ID.

    `came` is when each came, by the monotonic clock.
    """

    live: Live
    heard: list[Sent] = field(default_factory=list)
    came: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    last_event_id: str = ""

    def listen(self, *, events: int | None = None) -> None:
        """Until `done`; or until so many more events have come, when the connection is dropped."""
        wanted = None if events is None else len(self.heard) + events
        while not self.is_done and (wanted is None or len(self.heard) < wanted):
            self._connect(wanted)

    @property
    def is_done(self) -> bool:
        return bool(self.heard) and self.heard[-1].type == "done"

    def types(self) -> list[str]:
        return [sent.type for sent in self.heard]

    def said(self, kind: str) -> list[Any]:
        return [sent.data for sent in self.heard if sent.type == kind]

    def _connect(self, wanted: int | None) -> None:
        resume = {"Last-Event-ID": self.last_event_id} if self.last_event_id else {}
        with opened(self.live.events_url, headers=resume) as stream:
            self.statuses.append(stream.status)
            assert stream.status == 200, stream.body
            for sent in stream:
                self.heard.append(sent)
                self.came.append(time.monotonic())
                self.last_event_id = sent.id
                if len(self.heard) == wanted:
                    return
            self.last_event_id = stream.last_event_id


def start(stack: Stack, **body: object) -> Live:
    answer = stack.request("POST", "/analyze/live/start", {"suffix": ".wav", **body})
    assert answer.status in (200, 201), answer.body
    return Live(stack, answer.body)


def numbers(heard: Sequence[Sent]) -> list[int]:
    """The events' numbers, as their ids begin with them."""
    return [int(sent.id.split(".")[0]) for sent in heard]
