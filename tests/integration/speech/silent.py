"""A recogniser that understands nothing, and counts how often it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

    from audioapi.speech.transcript import Word
    from audioapi.speech.utterances import Speech


class Silent:
    name, version, language = "silent", "1", "en"

    def __init__(self) -> None:
        self.begun = 0

    def begin(self) -> Self:
        self.begun += 1
        return self

    def feed(self, pcm: bytes) -> None:
        """Hears it, and forgets it."""

    def text(self) -> str:
        return ""

    def words(self, _: Speech) -> tuple[Word, ...]:
        return ()
