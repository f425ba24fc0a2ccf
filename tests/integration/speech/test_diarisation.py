"""Who is heard, when, and what: from channels of real speech, with the real recogniser."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi.analysis.recognition.diarisation import Diariser, Partial, RecognisedUtterance
from audioapi.speech.live import LivePocketSphinx, LiveRecogniser
from audioapi.speech.utterances import RATE
from tests import audio
from tests.integration.speech import sample
from tests.integration.speech.silent import Silent

if TYPE_CHECKING:
    from typing import Self

PAUSE = sample.silence(1.0)
SECONDS = 1.5
SPEECH = sample.speech()[: 2 * round(SECONDS * RATE)]  # to recognise more takes long
SILENCE = bytes(len(SPEECH))
LEFT = PAUSE + SPEECH + PAUSE + SILENCE + PAUSE + SPEECH
RIGHT = PAUSE + SILENCE + PAUSE + SPEECH + PAUSE + SILENCE


def numbers(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2").astype(float)


def interleaved(left: bytes | np.ndarray, right: bytes | np.ndarray) -> bytes:
    both = [numbers(it) if isinstance(it, bytes) else it for it in (left, right)]
    return np.stack(both, axis=1).round().astype("<i2").tobytes()


STEREO = interleaved(LEFT, RIGHT)


@cache
def recogniser() -> LivePocketSphinx:
    return LivePocketSphinx()


def everything(
    pcm: bytes,
    channels: int,
    *,
    size: int = 64_000,
    recogniser: LiveRecogniser | None = None,
    after: tuple[str, float] | None = None,
) -> list[RecognisedUtterance | Partial]:
    diariser = Diariser(channels, recogniser or Silent(), after=after)
    found = [it for block in audio.chunks(pcm, size) for it in diariser.feed(block)]
    return [*found, *diariser.finish()]


def utterances(found: list[RecognisedUtterance | Partial]) -> list[RecognisedUtterance]:
    return [it for it in found if isinstance(it, RecognisedUtterance)]


def places(found: list[RecognisedUtterance | Partial]) -> list[tuple[str, float]]:
    return [(it.speaker, it.speech.start) for it in utterances(found)]


@cache
def stereo() -> list[RecognisedUtterance | Partial]:
    return everything(STEREO, 2, recogniser=recogniser())


@cache
def unrecognised() -> list[RecognisedUtterance | Partial]:
    return everything(STEREO, 2)


def test_each_channel_is_a_speaker() -> None:
    heard = utterances(stereo())
    assert [it.speaker for it in heard] == ["speaker_1", "speaker_2", "speaker_1"]
    turn = 1 + SECONDS
    for it, said_at in zip(heard, (1, 1 + turn, 1 + 2 * turn), strict=True):
        assert it.speech.start == pytest.approx(said_at, abs=0.3)
        assert it.speech.end == pytest.approx(said_at + SECONDS, abs=0.4)
        assert it.speech.start <= it.words[0].start
        assert it.words[-1].end <= it.speech.end


def test_most_words_are_right_and_told_before_all_is_said() -> None:
    *parts, heard = everything(sample.speech(), 1, recogniser=recogniser())
    assert isinstance(heard, RecognisedUtterance)
    said = " ".join(word.text for word in heard.words)
    assert sample.word_error_rate(sample.SAID, said) <= 0.4
    lengths = [len(part.text.split()) for part in parts if isinstance(part, Partial)]
    assert len(lengths) >= 4
    assert lengths[0] < 8
    assert lengths[-1] > 15


def test_all_is_the_same_however_the_sound_is_cut_and_whoever_spoke_before() -> None:
    used = recogniser()
    everything(audio.pcm(rate=RATE, channels=1, seconds=1.0), 1, recogniser=used)
    assert everything(STEREO, 2, size=1001, recogniser=used) == stereo()
    assert everything(STEREO, 2, size=len(STEREO), recogniser=LivePocketSphinx()) == stereo()


def test_known_utterances_are_not_heard_again() -> None:
    first, *others = utterances(stereo())
    silent = Silent()
    again = everything(STEREO, 2, recogniser=silent, after=(first.speaker, first.speech.start))
    assert places(again) == places([*others])
    assert silent.begun == 2
    whole = everything(
        STEREO, 2, recogniser=recogniser(), after=(first.speaker, first.speech.start)
    )
    assert whole == stereo()[stereo().index(first) + 1 :]


def test_one_that_is_not_found_again_hides_no_more_than_what_is_as_late() -> None:
    assert places(everything(STEREO, 2, after=("speaker_2", -12.0))) == places(stereo())[1:]


def test_an_utterance_is_told_half_a_second_after_its_end() -> None:
    diariser = Diariser(1, Silent())
    assert utterances(list(diariser.feed(sample.speech()))) == []
    assert len(utterances(list(diariser.feed(sample.silence(0.6))))) == 1


@given(st.lists(st.integers(1, 200_000), max_size=8))
def test_cuts_mean_nothing(sizes: list[int]) -> None:
    diariser, rest, found = Diariser(2, Silent()), STEREO, list[RecognisedUtterance | Partial]()
    for size in sizes:
        found += diariser.feed(rest[:size])
        rest = rest[size:]
    assert [*found, *diariser.feed(rest), *diariser.finish()] == unrecognised()


SPOKEN = numbers(PAUSE + SPEECH + PAUSE + SPEECH)
HISS = np.random.default_rng(1).normal(0, 5, len(SPOKEN))


@pytest.mark.parametrize(
    ("left", "right", "speaker"),
    [
        (SPOKEN, SPOKEN, "speaker_1"),
        (SPOKEN, SPOKEN * 0.97 + HISS, "speaker_1"),
        (SPOKEN * 0.97 + HISS, SPOKEN, "speaker_1"),
        (SPOKEN, -SPOKEN, "speaker_1"),
        (SPOKEN, SPOKEN * 0.2 + HISS, "speaker_1"),
        (SPOKEN * 0.2 + HISS, SPOKEN, "speaker_2"),
    ],
)
def test_one_sound_in_both_channels_is_one_speaker(
    left: np.ndarray, right: np.ndarray, speaker: str
) -> None:
    silent = Silent()
    heard = utterances(everything(interleaved(left, right), 2, recogniser=silent))
    assert [it.speaker for it in heard] == [speaker] * 2
    # The other channel is not even recognised, but for the moment until it's clear whose it is.
    assert silent.begun <= 4


def test_who_speaks_at_once_is_heard_apart() -> None:
    late = np.concatenate([np.zeros(RATE), SPOKEN])[: len(SPOKEN)]
    heard = utterances(everything(interleaved(SPOKEN, late), 2))
    assert [it.speaker for it in heard] == ["speaker_1", "speaker_2"] * 2


def test_nobody_is_heard_in_silence() -> None:
    assert everything(bytes(8 * RATE), 2) == []
    assert everything(b"", 1) == []
    assert everything(b"\0\0\0", 2) == []


def test_who_never_pauses_is_cut_and_nothing_is_lost() -> None:
    endless = sample.tone(40.0)
    heard = utterances(everything(endless, 1))
    assert len(heard) >= 3
    assert b"".join(it.speech.pcm for it in heard) == endless


def test_words_of_one_cut_off_are_words_of_it() -> None:
    """Two sentences without a pause: the recogniser heard more when the cut was made."""
    breathless = (3 * sample.speech()[6400:-9600])[: 2 * 16 * RATE]
    found = utterances(everything(breathless + PAUSE, 1, recogniser=recogniser()))
    for it in found:
        for word in it.words:
            assert it.speech.start <= word.start <= word.end <= it.speech.end
    assert sum(len(it.words) for it in found) > 40


def test_an_ear_that_fails_is_heard_of() -> None:
    class Deaf(Silent):
        def begin(self) -> Self:
            raise OSError("no model")

    with pytest.raises(OSError, match="no model"):
        everything(SPEECH, 1, recogniser=Deaf())
