"""Questions, objections and commitments in what recognisers hear: words without any marks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from audioapi.analysis.text.moments import _QUESTION_MARK, _RULES, moments
from tests.unit.audioapi.analysis.talk import TEXTS, conversation

DOCUMENT = Path(__file__).parents[5] / "docs" / "analysers.md"


def kinds(text: str) -> list[str]:
    [utterance] = conversation(f"anna: {text}")
    return [moment.kind for moment in moments(utterance)]


@pytest.mark.parametrize(
    "text",
    [
        "what is your account number",
        "so how much does it cost",
        "which one do you want",
        "can you help me with my order",
        "okay then have you tried to restart it",
        "is there anything else",
        "is that all right",
        "hello my name is john what can i do for you",
        "you sent it on monday didn't you",
        "i was wondering if you could look at it",
        "Could you tell me when it ships.",
        "Really?",
        "shall we begin",
    ],
)
def test_questions(text: str) -> None:
    assert kinds(text) == ["question"]


@pytest.mark.parametrize(
    "text",
    [
        "yes but i already paid for it",
        "i don't agree with that",
        "we really can't accept this",
        "that's not true",
        "i'm not happy with the service",
        "it is too expensive for us",
        "we can't afford that",
        "I\u2019m still not convinced.",
        "that won't work",
        "it does not make any sense",
    ],
)
def test_objections(text: str) -> None:
    assert kinds(text) == ["objection"]


@pytest.mark.parametrize(
    "text",
    [
        "i'll send you the invoice tomorrow",
        "we're going to fix it today",
        "Sure. I\u2019ll e-mail it.",
        "okay sure will do",
        "let me get back to you on that",
        "i promise",
        "i will definitely do that",
        "we'll have it ready on friday",
    ],
)
def test_commitments(text: str) -> None:
    assert kinds(text) == ["commitment"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "what a nice day",
        "what matters is trust",
        "when i get home i have dinner",
        "which is why we left",
        "is that we have no parts",
        "do it now",
        "have the report ready by noon",
        "i know what you did",
        "i don't know if they don't",
        "it's not too expensive",
        "nothing was wrong with it",
        "i will not send it",
        "i think i will call you",
        "if i will call you",
        "i can't promise anything",
        "i'll be honest",
        "he'll send it",
        "the goodwill sends a message",
    ],
)
def test_what_only_looks_like_one(text: str) -> None:
    assert kinds(text) == []


def test_a_moment_says_where_it_is_and_which_rule_found_it() -> None:
    [utterance] = conversation("anna: Yes, but why? I will check it. I will call you.")
    question, objection, commitment = moments(utterance)
    assert question.model_dump() == {
        "kind": "question",
        "utterance_id": "u1",
        "speaker": "anna",
        "t_start": 0.0,
        "t_end": utterance.t_end,
        "text": utterance.text,
        "rule": "has a question mark",
    }
    assert objection.rule == "concedes with a but"
    assert commitment.rule == "first person and will"


@given(TEXTS)
def test_there_is_one_of_a_kind_at_most(text: str) -> None:
    assert len(kinds(text)) == len(set(kinds(text)))


@pytest.mark.parametrize(
    "piece", ["so ", "yes ", "what ", "i'll ", "i am so not so ", "who is ", ".", "'", " ", "a"]
)
def test_a_text_of_a_book_is_read_in_time_linear_in_it(piece: str) -> None:
    assert kinds(piece * (200_000 // len(piece))) in ([], ["question"])


@pytest.mark.parametrize("name", [_QUESTION_MARK, *(rule.name for rule in _RULES)])
def test_every_rule_is_in_the_document(name: str) -> None:
    assert f"\n| {name} | " in DOCUMENT.read_text()
