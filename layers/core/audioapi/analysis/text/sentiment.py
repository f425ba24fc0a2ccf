"""How words sound, by VADER's lexicon and rules.

Hutto, Gilbert: VADER, a parsimonious rule-based model for sentiment analysis of social media text
(ICWSM 2014).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from audioapi.analysis.models import Analyser, Sentiment

if TYPE_CHECKING:
    from typing import Literal

    from vader import SentimentIntensityAnalyzer

ANALYSER = Analyser(name="nltk-vader-sentiment", version="1.0.0")

_NEUTRAL = 0.05
"""How far from 0 is neutral, as VADER's authors have it."""


def sentiment(text: str) -> Sentiment:
    """Of English text, in time linear in it. Without words, everything is 0."""
    scores = _vader().polarity_scores(text)
    return Sentiment(
        label=_label(scores["compound"]),
        compound=scores["compound"],
        positive=scores["pos"],
        neutral=scores["neu"],
        negative=scores["neg"],
    )


def load() -> None:
    """The lexicon."""
    _vader()


def _label(compound: float) -> Literal["positive", "neutral", "negative"]:
    if compound >= _NEUTRAL:
        return "positive"
    return "negative" if compound <= -_NEUTRAL else "neutral"


@cache
def _vader() -> SentimentIntensityAnalyzer:
    from vader import SentimentIntensityAnalyzer  # noqa: PLC0415  # a lexicon that only this needs

    return SentimentIntensityAnalyzer()
