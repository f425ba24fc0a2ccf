"""The recognisers of conversations: whose time is taken, and whose failures are known for what they
are.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from audioapi import settings
from audioapi.analysis.models import Analyser
from audioapi.speech.live import LivePocketSphinx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audioapi.speech.live import Recognition
    from audioapi.speech.recogniser import Recogniser
    from audioapi.speech.transcript import Word
    from audioapi.speech.utterances import Speech

    AnyRecogniser = Recogniser | LivePocketSphinx


class RecogniserError(Exception):
    """The recogniser died: what was said can't be known, so nothing more can be told."""


class NoRecogniser:
    """The recogniser of a deployment without one: utterances have no text, and nothing is found
    out that needs words.
    """

    name = "none"
    version: str | None = None
    language = "und"

    def words(self, speech: Speech) -> tuple[Word, ...]:  # noqa: ARG002 — it's a Recogniser
        return ()


class TimedRecogniser:
    """A recogniser whose time is taken, and whose failures are known for what they are."""

    def __init__(self, recogniser: AnyRecogniser) -> None:
        self._recogniser = recogniser
        self._seconds = 0.0
        self.name = recogniser.name
        self.language = recogniser.language
        self.understands = not isinstance(recogniser, NoRecogniser)

    @property
    def version(self) -> str | None:
        return self._recogniser.version

    @property
    def analyser(self) -> Analyser:
        return Analyser(name=self.name, version=self.version or "unknown")

    def begin(self) -> Recognition:
        with self.at_work():
            if isinstance(self._recogniser, LivePocketSphinx):
                return _Timed(self, self._recogniser.begin())
            return _Timed(self, _AtOnce(self._recogniser))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        except Exception as error:  # whatever it may be that a recogniser raises
            raise RecogniserError(f"{self.name}: {type(error).__name__}") from error
        finally:
            self._seconds += time.perf_counter() - started

    def take_seconds(self) -> float:
        """How long it worked since this was asked last."""
        taken, self._seconds = self._seconds, 0.0
        return taken


class _Timed:
    """A recognition at which its recogniser is at work."""

    def __init__(self, recogniser: TimedRecogniser, recognition: Recognition) -> None:
        self._recogniser = recogniser
        self._recognition = recognition

    def feed(self, pcm: bytes) -> None:
        with self._recogniser.at_work():
            self._recognition.feed(pcm)

    def text(self) -> str:
        with self._recogniser.at_work():
            return self._recognition.text()

    def words(self, speech: Speech) -> tuple[Word, ...]:
        with self._recogniser.at_work():
            return self._recognition.words(speech)


class _AtOnce:
    """The recognition of a recogniser that hears an utterance when it is over."""

    def __init__(self, recogniser: Recogniser) -> None:
        self.words = recogniser.words

    def feed(self, pcm: bytes) -> None:
        pass  # an utterance's sound comes with it

    def text(self) -> str:
        return ""


def configured() -> AnyRecogniser:
    """TRANSCRIBER's. Amazon Transcribe's jobs take recordings, so live it is heard here too."""
    return NoRecogniser() if settings.analysis().transcriber == "none" else _pocketsphinx()


def load() -> None:
    """The model of the configured one, if it has one."""
    if isinstance(recogniser := configured(), LivePocketSphinx):
        recogniser.load()


@cache
def _pocketsphinx() -> LivePocketSphinx:
    return LivePocketSphinx()
