"""Who hesitates, finds it hard."""

from __future__ import annotations

import pytest

from audioapi.analysis.models import Prosody
from audioapi.analysis.text.cognitive import cognitive
from audioapi.speech.transcript import Word


def said(text: str) -> list[Word]:
    return [Word(word, n, n + 0.5, 1.0) for n, word in enumerate(text.split())]


@pytest.mark.parametrize(
    ("text", "fillers", "ratio"),
    [
        ("we deliver on monday", 0, 0),
        ("uh we um deliver on monday", 2, 2 / 6),
        ("Um, well, you know, I mean it is hard.", 3, 5 / 9),
        ("ummm hmm errr ahh", 4, 1),
        ("your umbrella is sort of here", 1, 2 / 6),
        ("the error was harmless", 0, 0),
        ("", 0, 0),
    ],
)
def test_fillers_are_counted(text: str, fillers: int, ratio: float) -> None:
    found = cognitive(said(text), Prosody())
    assert found.fillers == fillers
    assert found.filler_ratio == pytest.approx(ratio)
    assert found.load == pytest.approx(min(ratio / 0.1, 1))


def test_load_is_the_mean_of_its_signs() -> None:
    prosody = Prosody(pause_ratio=0.2, words_per_minute=140)
    found = cognitive(said("we deliver on monday"), prosody)
    assert found.load == pytest.approx((0 + 0.5 + 0.25) / 3)
    assert (found.pause_ratio, found.words_per_minute) == (0.2, 140)


@pytest.mark.parametrize(
    ("prosody", "load"),
    [
        (Prosody(pause_ratio=0, words_per_minute=400), 0),
        (Prosody(pause_ratio=1, words_per_minute=10), 1),
    ],
)
def test_it_stays_in_bounds(prosody: Prosody, load: float) -> None:
    text = "um uh" if load else "all is well"
    assert cognitive(said(text), prosody).load == load


def test_what_isnt_known_is_absent() -> None:
    assert cognitive(said("yes"), Prosody()).model_dump().keys() == {
        "load",
        "fillers",
        "filler_ratio",
    }
