"""The live worker as its queue calls it, what it hears, and what it tells."""

from __future__ import annotations

import json
import threading
from array import array
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audioapi import objects, settings
from audioapi.analysis.live import store
from audioapi.speech.live import LivePocketSphinx
from audioapi.speech.transcript import Word
from tests import audio
from tests.integration.audioapi.analysis.live.live_calls import kept
from tests.integration.audioapi.functions import app
from tests.integration.audioapi.sessions import aws, stored
from tests.unit.audioapi.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from audioapi.speech.live import Recognition
    from audioapi.speech.utterances import Speech

RATE = 16_000


def _interleaved(left: bytes, right: bytes) -> bytes:
    """Samples of two channels, the shorter one filled up with silence."""
    both = array("h", bytes(2 * max(len(left), len(right))))
    both[: len(left) : 2] = array("h", left)
    both[1 : len(right) : 2] = array("h", right)
    return both.tobytes()


SPEECH = audio.samples_of(Path("local/samples/speech.wav").read_bytes())
PAUSE = bytes(2 * RATE)
_SPOKEN = (SPEECH[: 3 * 2 * RATE] + PAUSE) * 3
TALK = audio.wav(_SPOKEN, rate=RATE, channels=1)
"""Somebody speaks three times, for three seconds each, with a second's pause between."""
BOTH = audio.wav(_interleaved(_SPOKEN, bytes(3 * RATE) + _SPOKEN), rate=RATE, channels=2)
"""The same on the left, and 1.5 s later on the right."""
_PLENTY_SECONDS = 300


class FakeRecogniser(LivePocketSphinx):
    """Hears two words in each utterance, how long it is, and that it is good; before it is over,
    how many seconds it goes on. `heard` are the starts of the utterances that it was asked about,
    each time after it called `think`.
    """

    name = "fake"

    def __init__(self) -> None:
        self.heard: list[float] = []
        self.think: Callable[[], object] = lambda: None

    def begin(self) -> Recognition:
        return _Listening(self)

    def words(self, speech: Speech) -> tuple[Word, ...]:
        self.think()
        self.heard.append(speech.start)
        middle = (speech.start + speech.end) / 2
        return (
            Word(str(len(speech.pcm)), speech.start, middle, 1.0),
            Word("good", middle, speech.end, 0.5),
        )


class _Listening:
    def __init__(self, recogniser: FakeRecogniser) -> None:
        self.words = recogniser.words
        self._bytes = 0

    def feed(self, pcm: bytes) -> None:
        self._bytes += len(pcm)

    def text(self) -> str:
        return f"{self._bytes / (2 * RATE):.1f} seconds"


def work(*, remaining_seconds: float = _PLENTY_SECONDS) -> None:
    """The worker does what waits in the queue, message by message, and what comes of that. One that
    fails comes back at once; who isn't done after ten times has failed.
    """
    for _ in range(10 * 50):
        message = next_message()
        if message is None:
            return
        do(message, remaining_seconds=remaining_seconds)
    raise AssertionError("the worker doesn't come to an end")


@contextmanager
def working() -> Iterator[None]:
    """A worker that does what waits in the queue, all the time."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(0.05):
            work()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(go_on)
        try:
            yield
        finally:
            over.set()
            done.result()


def next_message() -> Any:
    """The next message that the queue gives out; it waits in flight until `do` is done with it."""
    batch = _sqs().receive_message(QueueUrl=_queue(), MaxNumberOfMessages=1, AttributeNames=["All"])
    return next(iter(batch.get("Messages", ())), None)


def do(message: Any, *, remaining_seconds: float = _PLENTY_SECONDS) -> bool:
    """Whether the worker did what the message wants. It is gone then, else given out again."""
    record = _record(message)
    try:
        answer = app("live_worker").lambda_handler(
            {"Records": [record]}, Context(remaining_seconds=remaining_seconds)
        )
        failed = bool(answer["batchItemFailures"])
    except BaseException:
        give_back(message)
        raise
    if failed:
        give_back(message)
    else:
        _sqs().delete_message(QueueUrl=_queue(), ReceiptHandle=message["ReceiptHandle"])
    return not failed


def give_back(message: Any) -> None:
    """As when the visibility timeout of a dead worker's message is over."""
    _sqs().change_message_visibility(
        QueueUrl=_queue(), ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
    )


def give_up(session_id: str, **what: Any) -> None:
    """As when a message of the session came to the dead-letter queue, of its chunk 0 or another."""
    event = json.loads(Path("events/live_failed.json").read_text())
    event["Records"][0]["body"] = json.dumps(
        {"session_id": session_id, **(what or {"chunk_seq": 0})}
    )
    assert app("live_failed").lambda_handler(event, Context()) == {"batchItemFailures": []}


def told(session_id: str) -> list[tuple[str, dict[str, Any]]]:
    """All events, in order, without a gap."""
    events: list[tuple[str, dict[str, Any]]] = []
    while found := store.events_after(session_id, len(events)):
        events += [(numbered.event.type.value, numbered.event.data) for numbered in found]
    return events


def plain(session_id: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of a session as those of another one with the same sound would be."""
    conversation_id = kept(session_id).conversation_id
    text = json.dumps(told(session_id)).replace(conversation_id, "CONVERSATION")
    return [(kind, data) for kind, data in json.loads(text)]


def types(session_id: str) -> list[str]:
    return [kind for kind, _ in told(session_id)]


def failure(session_id: str) -> tuple[str, str]:
    """The code and the message of the error that a session ended with."""
    (kind, error), (last, _) = told(session_id)[-2:]
    assert (kind, last) == ("error", "done")
    return error["code"], error["message"]


def artifact(conversation_id: str, name: str) -> bytes:
    kept = stored(bucket(), f"artifacts/{conversation_id}/")
    [key] = [key for key in kept if key.endswith(f"/{name}")]
    return objects.read(bucket(), key)


def objects_of(session_id: str) -> list[str]:
    return stored(bucket(), f"live/{session_id}/")


def bucket() -> str:
    return settings.analysis().audio_bucket


def _record(message: Any) -> dict[str, Any]:
    event = json.loads(Path("events/live_worker.json").read_text())
    return {
        **event["Records"][0],
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
    }


def _sqs() -> Any:
    return aws("sqs")


def _queue() -> str:
    return settings.live().live_queue_url
