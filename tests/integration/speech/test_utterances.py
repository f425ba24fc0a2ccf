"""Utterances are found where they are, however the sound comes."""

from __future__ import annotations

import itertools

import pytest

from audioapi.speech import utterances
from audioapi.speech.utterances import RATE, Detector, Speech
from tests import audio
from tests.integration.speech import sample

STREAM = (
    sample.silence(1.0)
    + sample.speech()
    + sample.silence(0.8)
    + sample.speech()
    + sample.silence(3.0)
    + sample.speech()
)


def found(stream: bytes, *, size: int = 1 << 20, offset: float = 0.0) -> list[Speech]:
    return list(utterances.utterances(audio.chunks(stream, size), offset=offset))


def sound(stream: bytes, speech: Speech) -> bytes:
    return stream[2 * round(speech.start * RATE) : 2 * round(speech.end * RATE)]


def test_each_is_where_it_was_said() -> None:
    heard = found(STREAM)
    assert len(heard) == 3
    for speech, said_at in zip(heard, (1.0, 8.9, 19.0), strict=True):
        assert speech.start == pytest.approx(said_at, abs=0.3)
        assert speech.end == pytest.approx(said_at + 7.1, abs=0.3)
        assert speech.pcm == sound(STREAM, speech)


@pytest.mark.parametrize("size", [7, 960, 4096, 65_537])
def test_blocks_may_be_of_any_size(size: int) -> None:
    assert found(STREAM, size=size) == found(STREAM)


def test_times_are_those_of_the_recording() -> None:
    late = found(STREAM, offset=3600.5)
    assert [speech.start for speech in late] == pytest.approx(
        [speech.start + 3600.5 for speech in found(STREAM)]
    )


def test_what_ends_is_told_at_once() -> None:
    """Live transcripts can't wait: half a second of silence ends an utterance."""
    detector = Detector()
    assert detector.feed(sample.speech()) == []
    [speech] = detector.feed(sample.silence(0.6))
    assert speech.end == pytest.approx(7.1, abs=0.3)
    assert detector.finish() == []


def test_the_last_one_ends_with_the_stream() -> None:
    cut = sample.speech()[: 2 * 40_001]
    [speech] = found(cut + b"\x00")
    assert cut.endswith(speech.pcm[-1000:])
    assert speech.end == pytest.approx(40_001 / RATE, abs=0.001)


@pytest.mark.parametrize("quiet", [b"", b"\x00", sample.silence(5.0), sample.tone(0.06)])
def test_nothing_is_found_in_silence(quiet: bytes) -> None:
    assert found(quiet) == []


def test_what_never_pauses_is_cut_where_it_is_quietest() -> None:
    stream = b"".join(
        [sample.tone(9.0), sample.tone(0.3, volume=2000), sample.tone(11.0), sample.silence(1.0)]
    )
    first, second = found(stream)
    assert first.end == second.start == pytest.approx(9.15, abs=0.15)
    assert second.end == pytest.approx(20.3, abs=0.4)


def test_none_is_longer_than_15_seconds_and_nothing_is_lost_between() -> None:
    heard = found(sample.tone(40.0), size=32_000)
    assert len(heard) >= 3
    assert max(len(speech.pcm) for speech in heard) <= 15 * 2 * RATE
    assert all(before.end == behind.start for before, behind in itertools.pairwise(heard))
    assert b"".join(speech.pcm for speech in heard) == sample.tone(40.0)
