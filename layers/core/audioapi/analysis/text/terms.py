"""The words of an English text that tell what it is about."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+(?:'\w+)?")
_SHORTEST = 3

# Closed classes of words, and what fills the gaps in conversations.
_FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    a about above across actually after again against ago all almost along already also although
    always am among an and another any anybody anyone anything anyway are around as at away back
    basically be became because become been before behind being below between both bring but by bye
    call called came can cannot cant come could course day did different do does doing done down
    during each eight either else enough er especially even ever every everybody everyone
    everything exactly far few fine first five for four from get gets getting give gives go goes
    going gone gonna good goodbye got gotta great guess guys had has have having he hear hello help
    her here hers herself hey hi him himself his hmm hold how however hundred i if in indeed inside
    instead into is it its itself just keep kind kinda know knows last later least less let lets
    like likely little long look looking lot lots made make makes many matter may maybe me mean
    means might mine minute mm moment more morning most much must my myself name need needs neither
    never new next nice nine no nobody none nor not nothing now of off oh ok okay on once one ones
    only onto or other others ought our ours ourselves out over own part people perhaps place please
    point possible pretty probably put quite rather ready really right said same saw say saying
    says second see seem seemed seems seen set seven several shall she should show similar since
    six so some somebody somehow someone something sometimes somewhere soon sorry sort still stuff
    such sure take taken takes taking talk talking ten than thank thanks that the their theirs them
    themselves then there therefore these they thing things think third this those though thought
    thousand three through thus time times to today together told tomorrow tonight too took toward
    towards try trying two uh uhm um under unless until up upon us use used very wanna want wanted
    wants was way we well went were what whatever when whenever where wherever whether which while
    who whole whom whose why will with within without wonder wondering word words work would yeah
    yep yes yesterday yet you your yours yourself
        """,
    )
)


def words(text: str) -> list[str]:
    """In order and in lower case, without function words, endings behind apostrophes and numbers
    in digits.
    """
    found = _WORD.findall(text.lower().replace("\u2019", "'"))
    bare = (word.partition("'")[0] for word in found if not word.endswith("n't"))
    return [word for word in bare if _tells(word)]


def stem(word: str) -> str:
    """One for singular and plural: Harman's S stemmer (1991), "How effective is suffixing?"."""
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    if word.endswith("s") and not word.endswith(("us", "ss")):
        return word[:-1]
    return word


def stems(text: str) -> list[str]:
    return [stem(word) for word in words(text)]


def _tells(word: str) -> bool:
    return len(word) >= _SHORTEST and not word.isdecimal() and word not in _FUNCTION_WORDS
