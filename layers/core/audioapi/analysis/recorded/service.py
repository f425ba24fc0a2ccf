"""The analysis of a recording: the engine that hears live conversations, over a whole file."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from contextlib import closing, contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

from audioapi import settings
from audioapi.analysis import artifacts, logs, metrics
from audioapi.analysis.conversation import Conversation
from audioapi.analysis.events import compose
from audioapi.analysis.models import EventType, Phase
from audioapi.analysis.recognition import transcribed
from audioapi.analysis.recognition.recognisers import RecogniserError
from audioapi.media import conversation as media
from audioapi.media.errors import LostSoundError, MediaError
from audioapi.media.survey import estimated_seconds
from audioapi.observe import logger
from audioapi.problems import AnalysisFailureError, AudioApiError, UnsupportedMediaError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from audioapi.analysis.models import Analysis, Event
    from audioapi.analysis.recorded.intake import Source
    from audioapi.identity import Principal
    from audioapi.media.conversation import Sound
    from audioapi.speech.recogniser import Recogniser

_STREAM_SECONDS = 840.0  # of a function's 900, so that an end can be told
_REQUEST_SECONDS = 26.0  # of 29
_STREAM = media.Limits(audio_seconds=4 * 3600, cpu_seconds=300)
_REQUEST = media.Limits(cpu_seconds=7, stall_seconds=7)
_MOST_BYTES_IN_A_REQUEST = 32 * 1024 * 1024
_TOLD_PROGRESS = 0.05


class TooLongForRequestError(Exception):
    """It can't be analysed while a gateway waits: the function that streams has the time."""


def analyse(
    caller: Principal, source: Source, *, goal: str | None = None
) -> Generator[Event, None, Analysis]:
    """What is found, while it is found. Its artifacts are kept before the last event, `done`.

    Raises UnsupportedMediaError for what is no audio, NoUtterancesError, and AnalysisFailureError
    for a recogniser that dies and a recording that takes too long.
    """
    work = _Work(source, goal, limits=_STREAM, seconds=_STREAM_SECONDS)
    with _measured(caller, work) as told:
        yield from told(work.steps())
    return work.analysis


def stream(
    caller: Principal, source: Source, *, goal: str | None = None
) -> Generator[Event, None, None]:
    """The same events for who hears of nothing else: a failure is told as `error`, then `done`."""
    work = _Work(source, goal, limits=_STREAM, seconds=_STREAM_SECONDS)
    with _measured(caller, work) as told:
        try:
            yield from told(work.steps())
        except AudioApiError as problem:
            yield from told(_failure(problem, work.conversation_id))


def analyse_at_once(caller: Principal, source: Source, *, goal: str | None = None) -> Analysis:
    """The same for a sound that a gateway can wait for. Raises TooLongForRequestError for another,
    before anything is kept, and what `analyse` raises.
    """
    config = settings.analysis()
    if config.transcriber == "transcribe" or source.size > _MOST_BYTES_IN_A_REQUEST:
        raise TooLongForRequestError
    work = _Work(source, goal, limits=_REQUEST, seconds=_REQUEST_SECONDS)
    work.most_seconds = config.analyze_sync_seconds
    with _measured(caller, work):
        for _ in work.steps():
            pass  # nobody is told
    return work.analysis


class _Work:
    """One analysis, which has `analysis` when all its steps were taken."""

    analysis: Analysis

    def __init__(
        self, source: Source, goal: str | None, *, limits: media.Limits, seconds: float
    ) -> None:
        self.conversation_id = f"conv_{secrets.token_hex(16)}"
        self.source = source
        self.conversation: Conversation | None = None
        self.most_seconds: float | None = None
        self._goal = goal
        self._limits = limits
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._bytes_read = 0
        self._expected_seconds: float | None = None
        self._told_progress = 0.0
        self._upload_path: str | None = None

    @property
    def folder(self) -> str:
        return artifacts.folder(self.conversation_id)

    def steps(self) -> Generator[Event, None, None]:
        yield compose.status(Phase.STARTING)
        with _problems(self.source.field):
            recogniser = self._recogniser()
            with media.sound(self._read(), limits=self._limits) as sound:
                blocks = self._few(sound) if self.most_seconds else sound.blocks
                conversation = self.conversation = Conversation(
                    self.conversation_id,
                    channels=sound.channels,
                    goal=self._goal,
                    recogniser=recogniser,
                )
                yield compose.status(Phase.PROCESSING, progress=0.0)
                yield from self._hear(conversation, blocks)
        conclusion = conversation.conclude()
        yield compose.summary(conclusion)
        self.analysis = artifacts.keep(
            conversation,
            conclusion,
            warnings=sound.warnings,
            folder=self.folder,
            upload_path=self._keep(),
        )
        yield compose.status(Phase.COMPLETED, progress=1.0)
        yield compose.done(self.conversation_id)

    def _recogniser(self) -> Recogniser | None:
        """None for the one that is configured, unless that needs the whole recording."""
        if settings.analysis().transcriber != "transcribe":
            return None
        with media.sound(self.source.blocks(), limits=self._limits):
            pass  # what is no audio isn't worth a job
        return transcribed.recogniser(
            self.conversation_id, self._keep(), self.folder, until=self._until
        )

    def _read(self) -> Iterator[bytes]:
        for block in self.source.blocks():
            if not self._bytes_read:
                self._expected_seconds = estimated_seconds(block, size_bytes=self.source.size)
            self._bytes_read += len(block)
            yield block

    def _few(self, sound: Sound) -> list[bytes]:
        """All of a short sound: decoding that much takes no time, and tells how much it is."""
        blocks = []
        for block in sound.blocks:
            blocks.append(block)
            if self.most_seconds and sound.seconds > self.most_seconds:
                raise TooLongForRequestError
        return blocks

    def _hear(self, conversation: Conversation, blocks: Iterable[bytes]) -> Iterator[Event]:
        heard = (turn for block in blocks for turn in conversation.feed(block))
        for turn in chain(heard, conversation.finish()):
            if turn.utterance:  # what it seemed to be helps nobody who doesn't wait for it
                yield from turn.events
                yield from self._progress(turn.utterance.t_end)
            self._check_time(conversation.seconds)

    def _progress(self, heard_seconds: float) -> Iterator[Event]:
        """By what the file says of its length, else by how much of it was read."""
        whole = self._expected_seconds
        done = heard_seconds / whole if whole else self._bytes_read / self.source.size
        if done >= self._told_progress + _TOLD_PROGRESS:
            self._told_progress = done
            yield compose.status(Phase.PROCESSING, progress=min(done, 1.0))

    def _check_time(self, heard_seconds: float) -> None:
        if time.monotonic() > self._until:
            raise AnalysisFailureError(
                f"Analysis failed: after {self._seconds:g} s, no more than {heard_seconds:.0f} s "
                "of the recording were heard; send it in parts"
            )

    def _keep(self) -> str:
        if self._upload_path is None:
            self._upload_path = self.source.keep(self.folder)
        return self._upload_path


def _failure(problem: AudioApiError, conversation_id: str) -> Generator[Event, None, None]:
    yield compose.failure(problem)
    yield compose.done(conversation_id)


@contextmanager
def _problems(field: str) -> Iterator[None]:
    try:
        yield
    except MediaError as error:
        raise UnsupportedMediaError(f"{field}: {error}", field=field) from error
    except (LostSoundError, RecogniserError) as error:
        raise AnalysisFailureError(f"Analysis failed: {error}") from error


@contextmanager
def _measured(
    caller: Principal, work: _Work
) -> Iterator[Callable[[Generator[Event, None, None]], Iterator[Event]]]:
    """Logs and counts one analysis, however it ends; gives what counts the events that are told."""
    events: Counter[EventType] = Counter()

    def told(made: Generator[Event, None, None]) -> Iterator[Event]:
        with closing(made):
            for event in made:
                events[event.type] += 1
                yield event

    _log(work, "analysis begins", organization_id=caller.organization_id, user_id=caller.user_id)
    try:
        yield told
    finally:
        heard = work.conversation
        metrics.count(events=events, latencies=heard.agents.take_latencies() if heard else {})
        seconds, utterances = (heard.seconds, len(heard.timeline)) if heard else (0.0, 0)
        _log(work, "analysis ends", seconds=round(seconds, 3), utterances=utterances)


def _log(work: _Work, message: str, **keys: Any) -> None:
    with logs.about(work.conversation_id):
        logger.info(message, bytes=work.source.size, **keys)
