"""What was said and when. All times are seconds from the recording's start."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Word:
    """`confidence` is 0 to 1, as the recogniser has it."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Utterance:
    """Words of one breath. `start` and `end` are those of the sound, a little wider than they."""

    start: float
    end: float
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True)
class Transcript:
    """Utterances in order, and who heard them: the recogniser's name and its version, None where a
    service doesn't tell; `language` is a BCP 47 tag.
    """

    utterances: tuple[Utterance, ...]
    recogniser: str
    version: str | None
    language: str | None

    @property
    def text(self) -> str:
        return " ".join(utterance.text for utterance in self.utterances)

    def to_json(self) -> str:
        """The same transcript gives the same text, byte for byte."""
        described = {
            "text": self.text,
            "language": self.language,
            "recogniser": {"name": self.recogniser, "version": self.version},
            "utterances": [_described(utterance) for utterance in self.utterances],
        }
        return json.dumps(described, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Transcript:
        read = json.loads(text)
        return cls(
            utterances=tuple(_utterance(described) for described in read["utterances"]),
            recogniser=read["recogniser"]["name"],
            version=read["recogniser"]["version"],
            language=read["language"],
        )


def _described(utterance: Utterance) -> dict[str, Any]:
    return {
        "start": utterance.start,
        "end": utterance.end,
        "text": utterance.text,
        "words": [vars(word) for word in utterance.words],
    }


def _utterance(described: Mapping[str, Any]) -> Utterance:
    words = tuple(Word(**word) for word in described["words"])
    return Utterance(described["start"], described["end"], words)
