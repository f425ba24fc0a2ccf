"""Words in speech. PocketSphinx needs no service and no key: its English model is in its wheel."""

from __future__ import annotations

import re
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

from audioapi.speech.transcript import Word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from audioapi.speech.utterances import Speech

_FRAMES_PER_SECOND = 100
_VARIANT = re.compile(r"\(\d+\)$")
_FILLERS = ("<", "[", "+")


class Recogniser(Protocol):
    """Whatever hears words. The same sound gives the same words, whatever was heard before: work
    that is done again after a crash, perhaps elsewhere, must end in the same bytes.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str | None: ...
    @property
    def language(self) -> str: ...

    def words(self, speech: Speech) -> tuple[Word, ...]:
        """In order, each within the speech's time; none where nothing was understood."""


class PocketSphinx:
    """US English. Loads its model, 100 MB of memory, with the first words."""

    name = "pocketsphinx"
    language = "en-US"

    @cached_property
    def version(self) -> str:
        return version("pocketsphinx")

    def load(self) -> None:
        """Its model."""
        assert self._decoder  # noqa: S101 - made when it's asked for

    def words(self, speech: Speech) -> tuple[Word, ...]:
        return words_of(self._decode(speech.pcm), speech)

    def _decode(self, pcm: bytes) -> list[Any]:
        # Its estimates of noise and cepstral mean outlive an utterance unless the front end is made
        # anew (0.1 ms). Given at once, an utterance is measured by its own mean, not by what came
        # of it so far: 26 % of words wrong instead of 37 %.
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        try:
            self._decoder.process_raw(pcm, full_utt=True)
        finally:
            self._decoder.end_utt()
        return list(self._decoder.seg() or ())

    @cached_property
    def _decoder(self) -> Any:
        from pocketsphinx import Decoder  # type: ignore[import-untyped]  # noqa: PLC0415  # 38 MB

        return Decoder(loglevel="FATAL")


def words_of(segments: Iterable[Any], speech: Speech) -> tuple[Word, ...]:
    """Those that begin within the speech, without what PocketSphinx puts where no word is."""
    heard = (_word(it, speech) for it in segments if not it.word.startswith(_FILLERS))
    return tuple(word for word in heard if word.start < speech.end)


def _word(segment: Any, speech: Speech) -> Word:
    """`segment` has its last frame inclusive, and marks variants of a pronunciation: "the(2)"."""
    end = speech.start + (segment.end_frame + 1) / _FRAMES_PER_SECOND
    return Word(
        text=_VARIANT.sub("", segment.word),
        start=round(speech.start + segment.start_frame / _FRAMES_PER_SECOND, 3),
        end=min(round(end, 3), speech.end),
        confidence=min(round(segment.prob, 3), 1.0),
    )
