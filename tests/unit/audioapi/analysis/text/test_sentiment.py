"""How words sound."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi.analysis.text.sentiment import ANALYSER, sentiment


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("thank you so much that is wonderful", "positive"),
        ("it isn't bad at all", "positive"),
        ("the parcel left the warehouse on monday", "neutral"),
        ("i am not happy with your service", "negative"),
        ("the price was fine but the delivery was awful", "negative"),
        ("I\u2019m disappointed.", "negative"),
    ],
)
def test_words_sound_as_they_are_meant(text: str, label: str) -> None:
    assert sentiment(text).label == label


def test_what_is_said_more_strongly_counts_more() -> None:
    said = ("i am happy", "i am very happy", "I am VERY HAPPY!!!")
    compounds = [sentiment(text).compound for text in said]
    assert compounds == sorted(compounds)
    assert len(set(compounds)) == 3


def test_without_words_there_is_none() -> None:
    nothing = {"label": "neutral", "compound": 0, "positive": 0, "neutral": 0, "negative": 0}
    assert sentiment("").model_dump() == nothing


@given(st.text())
def test_any_text_has_its_sentiment(text: str) -> None:
    assert sentiment(text) == sentiment(text)


def test_a_text_of_a_book_is_read_in_time_linear_in_it() -> None:
    assert sentiment("good bad but not great " * 10_000).label == "negative"


def test_it_names_the_version_that_is_installed() -> None:
    assert ANALYSER.version == version(ANALYSER.name)
