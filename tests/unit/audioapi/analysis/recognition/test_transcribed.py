"""Words of a whole recording, heard where they were said."""

from __future__ import annotations

from audioapi.analysis.recognition.transcribed import TranscriptRecogniser
from audioapi.speech.transcript import Transcript, Utterance, Word
from audioapi.speech.utterances import Speech


def word(text: str, start: float) -> Word:
    return Word(text, start, start + 0.4, 0.9)


SAID = (word("Good", 1.0), word("morning.", 1.5), word("Hello.", 1.6), word("Bye.", 8.0))


def recogniser(*words: Word) -> TranscriptRecogniser:
    return TranscriptRecogniser(Transcript((Utterance(0.0, 9.0, words),), "transcribe", None, None))


def texts(found: tuple[Word, ...]) -> list[str]:
    return [it.text for it in found]


def test_an_utterance_has_the_words_whose_middle_is_in_it() -> None:
    heard = recogniser(*SAID)
    assert texts(heard.words(Speech(1.1, 2.0, b""))) == ["Good", "morning.", "Hello."]
    assert texts(heard.words(Speech(7.0, 9.0, b""))) == ["Bye."]


def test_a_word_is_said_once_though_two_speak() -> None:
    heard = recogniser(*SAID)
    assert texts(heard.words(Speech(0.0, 1.75, b""))) == ["Good", "morning."]
    assert texts(heard.words(Speech(1.0, 2.0, b""))) == ["Hello."]


def test_where_nothing_was_understood_there_are_no_words() -> None:
    assert recogniser(*SAID).words(Speech(3.0, 5.0, b"")) == ()
    assert recogniser().words(Speech(0.0, 5.0, b"")) == ()


def test_it_is_whoever_wrote_it() -> None:
    heard = recogniser()
    assert (heard.name, heard.version, heard.language) == ("transcribe", None, "und")
