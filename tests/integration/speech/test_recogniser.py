"""What the offline recogniser hears in the sample. Its errors are many, and measured."""

from __future__ import annotations

import itertools
from functools import cache

import pytest

from audioapi.speech import parts
from audioapi.speech.recogniser import PocketSphinx
from audioapi.speech.transcript import Transcript
from audioapi.speech.utterances import Speech, utterances
from tests import audio
from tests.integration.speech import sample

STREAM = sample.silence(0.5) + sample.speech() + sample.silence(1.0) + sample.speech()


@cache
def recogniser() -> PocketSphinx:
    return PocketSphinx()


@cache
def transcript() -> Transcript:
    blocks = audio.chunks(STREAM, 65_536)
    return parts.transcribe(blocks, offset=60.0, recogniser=recogniser())


def test_most_words_are_right() -> None:
    """Measured: 7 errors in 22 words, among them "guess would have" for "Dashwood had then"."""
    for utterance in transcript().utterances:
        assert sample.word_error_rate(sample.SAID, utterance.text) <= 0.4


def test_it_says_what_it_is() -> None:
    heard = transcript()
    assert (heard.recogniser, heard.language) == ("pocketsphinx", "en-US")
    assert heard.version
    assert Transcript.from_json(heard.to_json()) == heard


def test_words_are_words_and_in_their_time() -> None:
    first, second = transcript().utterances
    assert first.start == pytest.approx(60.5, abs=0.3)
    assert first.end < second.start
    for utterance in (first, second):
        assert utterance.start <= utterance.words[0].start
        assert utterance.words[-1].end <= utterance.end
        for word in utterance.words:
            assert word.start < word.end
            assert 0 <= word.confidence <= 1
            assert word.text.replace("'", "").isalpha()
        for word, following in itertools.pairwise(utterance.words):
            assert word.end <= following.start


def test_the_same_sound_is_heard_the_same_whatever_came_before() -> None:
    [said, _] = utterances([STREAM])
    speech = Speech(0.0, 1.5, said.pcm[:48_000])
    fresh = PocketSphinx().words(speech)
    # Loud, in other surroundings: noise and level linger in a decoder that isn't told to forget.
    used = recogniser()
    used.words(Speech(0.0, 0.5, audio.pcm(rate=16_000, channels=1, seconds=0.5)))
    used.words(Speech(0.0, 0.5, said.pcm[56_000:72_000]))
    assert used.words(speech) == fresh


@pytest.mark.parametrize("size", [2, 100, 818, 2000])
def test_a_moment_of_sound_is_no_word(size: int) -> None:
    assert recogniser().words(Speech(0.0, 1.0, bytes(size))) == ()


def test_a_part_without_speech_has_no_utterances() -> None:
    silent = parts.transcribe([sample.silence(3.0)], offset=0.0, recogniser=recogniser())
    assert silent.utterances == ()
    assert silent.recogniser == "pocketsphinx"


def test_nothing_is_said_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    PocketSphinx().words(Speech(0.0, 0.5, sample.speech()[:16_000]))
    assert capfd.readouterr() == ("", "")
