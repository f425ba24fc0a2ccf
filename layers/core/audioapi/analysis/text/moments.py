"""Questions, objections and commitments, found by rules in recognised English.

Recognisers give words without case and punctuation, so the rules go by the words and by where a
sentence begins. They would rather miss a moment than make one up.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from audioapi.analysis.models import Analyser, Moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audioapi.analysis.models import Utterance

ANALYSER = Analyser(name="rules", version="1")

_Kind = Literal["question", "objection", "commitment"]

# Words that the rules share, by the names that stand for them in braces.
_PARTS = {
    "opener": "so|and|but|well|okay|ok|yeah|yes|um|uh|er|oh|hi|hello|hey|sorry|now|then|alright"
    "|right|actually|please",
    "asks": "what|who|where|when|why|how",
    "be": "is|are|was|were|isn't|aren't|wasn't|weren't",
    "do": "do|does|did|don't|doesn't|didn't",
    "can": "can|could|will|would|can't|couldn't|won't|wouldn't",
    "should": "should|shouldn't",
    "have": "have|has|haven't|hasn't",
    "subject": "i|you|we|they|he|she|it|there|this|these|those|anyone|anybody|someone|somebody"
    "|everyone|everybody|the|your|my|our|his|her|their",
    "we": "i|we",
    "am": "i'm|i am|we're|we are",
    "will": "i will|i'll|we will|we'll|i shall|we shall",
    "cannot": "can't|cannot|can not|couldn't|could not",
    "refuse": "don't|do not|won't|will not|wouldn't|would not|can't|cannot|can not|couldn't",
    "it": "that|it|this",
    "very": "really|quite|fully|entirely|strongly|totally|completely|just|simply|still|so",
    "right": "true|right|correct|fair|acceptable|possible|realistic|necessary|enough|good enough"
    "|an option|a good idea",
    "readily": "also|just|then|now|definitely|certainly|gladly|personally|immediately|be sure to",
    "acts": "arrange|book|bring|call|cancel|check|confirm|contact|credit|deliver|e ?mail|ensure"
    "|escalate|file|finish|fix|follow up|forward|get back|get in touch|handle|inform|let you know"
    "|look into|look it up|mail|make sure|notify|organi[sz]e|pay|pick it up|pick you up|prepare"
    "|process|provide|put you through|refund|remind|repair|replace|reserve|resolve|schedule|send"
    "|set up|share|ship|sign|sort it out|sort that out|speak to|speak with|submit|take care of"
    "|talk to|talk with|transfer|update|write|do (it|that|this|so)"
    "|have (it|that|this|them) (ready|done|sent|fixed|delivered)|be (in touch|there|back)",
}


class _Rule(NamedTuple):
    """`pattern` is of whole words in a sentence in lower case, with nothing but single spaces."""

    kind: _Kind
    name: str
    pattern: str


_QUESTION_MARK = "has a question mark"
_RULES = (
    _Rule(
        "question",
        "begins with an interrogative and a verb",
        "^({opener} )*{asks}('s|'re|'d| ({be}|{do}|{can}|{should}|{have}))",
    ),
    _Rule(
        "question",
        "begins with how and a measure",
        "^({opener} )*how (much|many|long|often|far|soon|old|big|about|come)",
    ),
    _Rule(
        "question",
        "begins with which and a choice",
        "^({opener} )*which (one|ones|of|{do}|{can}|{should})",
    ),
    _Rule(
        "question",
        "begins with a verb and its subject",
        "^({opener} )*(({be}|{can}|has|hasn't|does|did|doesn't|didn't) {subject}"
        "|(do|don't|have|haven't) (i|you|we|they)|(may|shall) {we}"
        "|is that (a|all|right|correct|okay|ok|true|fine))",
    ),
    _Rule(
        "question",
        "inverts after an interrogative",
        "{asks} (do|did|don't|are|were|have|{can}|{should}) (i|you|we|they)",
    ),
    _Rule(
        "question",
        "ends with a question tag",
        "(?<= )({be}|{do}|{can}|{should}|{have})(?<=n't) (i|you|we|they|he|she|it|there)$",
    ),
    _Rule(
        "question",
        "wonders or would know",
        "(i was wondering|{am} wondering|i('d| would) like to (ask|know)|(can|could|may) i ask you"
        "|(can|could|would) you (please )?(tell|explain to) (me|us))"
        " (if|whether|what|which|who|where|when|why|how)",
    ),
    _Rule(
        "objection",
        "disagrees",
        "{we} ({very} )?disagree|i object|{am} ({very} )?against",
    ),
    _Rule(
        "objection",
        "negated agreement",
        "{we} ({very} )?{refuse} ({very} )?(agree|accept|approve|see the point|see why"
        "|(believe|buy|like) {it}|think {it}('s| is| will be| would be) {right})",
    ),
    _Rule(
        "objection",
        "denies that it is right or enough",
        "{it}('s| is) ({very} )?not ({very} )?{right}|{it} isn't ({very} )?{right}"
        "|{it}('s| is) not what {we} (asked|ordered|wanted|agreed|said)",
    ),
    _Rule(
        "objection",
        "denies that it works or makes sense",
        "(that|this) (won't|will not|is not going to|isn't going to) (work|help)"
        "|{it} (doesn't|does not) (make sense|make any sense|work for (us|me))",
    ),
    _Rule(
        "objection",
        "is not convinced, interested or happy",
        "{am} ({very} )?not ({very} )?(convinced|interested|comfortable|happy|satisfied|sure about"
        "|willing|ready to)",
    ),
    _Rule(
        "objection",
        "too dear, hard or risky",
        "(?<!not )(?<!n't )too (expensive|costly|pricey|complicated|risky|much money|much work)"
        "|(price|prices|cost|costs|fee|fees|rate|rates) (is|are) ({very} )?too high"
        "|{we} {cannot} afford",
    ),
    _Rule(
        "objection",
        "concedes with a but",
        "^(yes|yeah|sure|okay|ok|right|{we} see|{we} understand|i hear you) but",
    ),
    _Rule(
        "commitment",
        "first person and will",
        # "I think I will" and "if I will" promise nothing.
        "(?<!think )(?<!if )(?<!whether ){will} ({readily} )?{acts}",
    ),
    _Rule(
        "commitment",
        "first person and going to",
        "(?<!think )(?<!if )(?<!whether ){am} (going to|gonna) ({readily} )?{acts}",
    ),
    _Rule(
        "commitment",
        "promises",
        "{we} (can )?(promise|guarantee)|you have my word",
    ),
    _Rule(
        "commitment",
        "agrees to do it",
        "^((okay|ok|sure|yes|yeah|alright|absolutely|great) )*"
        "(will do|consider it done|i'm on it|i am on it)",
    ),
    _Rule(
        "commitment",
        "offers to get back",
        "let me (get back|follow up|look into|find out)",
    ),
)

# "What matters is that …" asks nothing.
_STATES = re.compile(r"^what(?:'s| is| was) \w+ (?:is|was)\b")


def moments(utterance: Utterance) -> list[Moment]:
    """At most one of each kind: what the first rule finds, in time linear in the text."""
    found: dict[_Kind, str] = {}
    for kind, rule in _found(utterance.text):
        found.setdefault(kind, rule)
    return [
        Moment(
            kind=kind,
            utterance_id=utterance.utterance_id,
            speaker=utterance.speaker,
            t_start=utterance.t_start,
            t_end=utterance.t_end,
            text=utterance.text,
            rule=rule,
        )
        for kind, rule in found.items()
    ]


def _found(text: str) -> Iterator[tuple[_Kind, str]]:
    if "?" in text:
        yield "question", _QUESTION_MARK
    for sentence in _sentences(text):
        if sentence and not _STATES.match(sentence):
            yield from (it[:2] for it, pattern in _patterns() if pattern.search(sentence))


def _sentences(text: str) -> list[str]:
    """Words with single spaces between them; the whole text as one, if nothing punctuates it."""
    plain = text.lower().replace("\u2019", "'")
    return [re.sub(r"[^\w']+", " ", part).strip() for part in re.split(r"[.!?;]", plain)]


@cache
def _patterns() -> list[tuple[_Rule, re.Pattern[str]]]:
    parts = {name: f"({words})" for name, words in _PARTS.items()}
    whole_words = r"(?<![\w'])({})(?![\w'])"
    return [
        (rule, re.compile(whole_words.format(rule.pattern.format_map(parts)))) for rule in _RULES
    ]
