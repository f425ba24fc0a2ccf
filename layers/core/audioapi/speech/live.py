"""Words in speech while it is spoken, so that they are there when it ends."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

from audioapi.speech.recogniser import words_of
from audioapi.speech.utterances import RATE

if TYPE_CHECKING:
    from audioapi.speech.transcript import Word
    from audioapi.speech.utterances import Speech

_SECOND_BYTES = 2 * RATE
_FIRST_BYTES = 3 * _SECOND_BYTES // 2
_STEP_BYTES = 3 * _SECOND_BYTES // 10
_WORDS, _NO_WORDS = "_default", "none"


class Recognition(Protocol):
    """Of one utterance. What it hears depends on the utterance's sound alone, never on how that was
    cut, when it came, or what was heard before.
    """

    def feed(self, pcm: bytes) -> None:
        """The next of the utterance's sound."""

    def text(self) -> str:
        """What it seems to be so far."""

    def words(self, speech: Speech) -> tuple[Word, ...]:
        """In order, each within the speech, whose sound was fed but for what is missing at its end;
        more may have been fed. Ends the recognition.
        """


class LiveRecogniser(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str | None: ...
    @property
    def language(self) -> str: ...

    def begin(self) -> Recognition: ...


class LivePocketSphinx:
    """US English, as good as when an utterance is heard at once (measured: docs/analysers.md).
    Loads a model of 100 MB for each of the utterances that are spoken at the same time.
    """

    name = "pocketsphinx"
    language = "en-US"

    def __init__(self) -> None:
        self._idle: list[Any] = []

    @property
    def version(self) -> str:
        return version("pocketsphinx")

    def load(self) -> None:
        """A model for the first speaker."""
        self._idle.append(_decoder())

    def begin(self) -> Recognition:
        return _Recognition(self._idle)


class _Recognition:
    """PocketSphinx needs the mean of an utterance's cepstra before it hears the first word. The
    mean of the first 1.5 s is as good as that of all of it; one that is learned on the way, as it
    does by itself, doubles the errors. What is shorter is heard at once at its end.
    """

    def __init__(self, idle: list[Any]) -> None:
        self._idle = idle
        self._decoder: Any = None
        self._sound = bytearray()
        self._decoded = 0

    def feed(self, pcm: bytes) -> None:
        self._sound += pcm
        if self._decoder is None and len(self._sound) >= _FIRST_BYTES:
            self._decoder = self._free_decoder()
            _prime(self._decoder, bytes(self._sound[:_FIRST_BYTES]))
        while self._decoder is not None and len(self._sound) - self._decoded >= _STEP_BYTES:
            self._decode(_STEP_BYTES)

    def text(self) -> str:
        guess = self._decoder.hyp() if self._decoder is not None else None
        return guess.hypstr if guess else ""

    def words(self, speech: Speech) -> tuple[Word, ...]:
        self.feed(speech.pcm[len(self._sound) :])
        decoder = self._decoder
        if decoder is None:
            decoder = self._free_decoder()
            _start(decoder)
            decoder.process_raw(bytes(self._sound), full_utt=True)
        elif rest := len(self._sound) - self._decoded:
            self._decode(rest)
        decoder.end_utt()
        found = words_of(decoder.seg() or (), speech)
        self._idle.append(decoder)
        return found

    def _free_decoder(self) -> Any:
        return self._idle.pop() if self._idle else _decoder()

    def _decode(self, size: int) -> None:
        # Always in the same pieces: the mean moves on with them.
        self._decoder.process_raw(bytes(self._sound[self._decoded : self._decoded + size]))
        self._decoded += size


def _decoder() -> Any:
    from pocketsphinx import Decoder  # type: ignore[import-untyped]  # noqa: PLC0415  # 38 MB

    decoder = Decoder(loglevel="FATAL")
    decoder.add_keyphrase(_NO_WORDS, "hello")
    decoder.activate_search(_WORDS)
    return decoder


def _prime(decoder: Any, pcm: bytes) -> None:
    """Starts an utterance with the mean of `pcm`, for which hardly anything is searched."""
    decoder.activate_search(_NO_WORDS)
    _start(decoder)
    decoder.process_raw(pcm, no_search=True, full_utt=True)
    mean = decoder.get_cmn(False)
    decoder.end_utt()
    decoder.activate_search(_WORDS)
    _start(decoder)
    decoder.set_cmn(mean)


def _start(decoder: Any) -> None:
    decoder.reinit_feat()  # estimates of noise and mean outlive an utterance
    decoder.start_utt()
