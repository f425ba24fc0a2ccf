"""How hard speaking seemed to be: fillers, pauses and a slow pace.

That planning shows in them: Goldman-Eisler, Psycholinguistics (1968); of fillers, Clark and Fox
Tree, Using uh and um in spontaneous speaking (Cognition 84, 2002). The formula is chosen, not
fitted to data.
"""

from __future__ import annotations

import re
from statistics import fmean
from typing import TYPE_CHECKING

from audioapi.analysis.models import Analyser, Cognitive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from audioapi.analysis.models import Prosody
    from audioapi.speech.transcript import Word

ANALYSER = Analyser(name="fillers-and-pauses", version="1.0.0")

# "Like", "so" and "well" mean something too often.
_FILLER = re.compile(
    r"\b(?:u+h+|u+m+|e+r+m*|a+h+|h+m+|m+m+|you know|i mean|sort of|kind of)\b", re.IGNORECASE
)
_NO_LETTERS = re.compile(r"[^\w' ]+")

_MOST_FILLERS = 0.10
_MOST_PAUSES = 0.40
_EASY, _HARD = 160.0, 80.0  # words per minute


def cognitive(words: Sequence[Word], prosody: Prosody) -> Cognitive:
    """`load` is the mean of what is known of: the part of the words that are fillers over 0.10,
    the pauses' part of the time over 0.40, and (160 - words per minute) / 80, each from 0 to 1.
    """
    text = _NO_LETTERS.sub("", " ".join(word.text for word in words))
    fillers = _FILLER.findall(text)
    ratio = sum(len(filler.split()) for filler in fillers) / max(len(text.split()), 1)
    signs = [ratio / _MOST_FILLERS]
    if prosody.pause_ratio is not None:
        signs.append(prosody.pause_ratio / _MOST_PAUSES)
    if prosody.words_per_minute is not None:
        signs.append((_EASY - prosody.words_per_minute) / (_EASY - _HARD))
    return Cognitive(
        load=fmean(min(max(sign, 0.0), 1.0) for sign in signs),
        fillers=len(fillers),
        filler_ratio=ratio,
        pause_ratio=prosody.pause_ratio,
        words_per_minute=prosody.words_per_minute,
    )
