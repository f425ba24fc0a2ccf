"""What was said, in short, in the speakers' own words."""

from __future__ import annotations

import os
import subprocess
import sys

from hypothesis import given

from audioapi.analysis.models import Moment, Summary, Utterance
from audioapi.analysis.text.moments import moments
from audioapi.analysis.text.segmentation import segmentation
from audioapi.analysis.text.summary import extract
from tests.unit.audioapi.analysis.talk import TIMELINES, conversation

CALL = [
    "ben: hello how can i help you",
    "anna: the coffee grinder in my order arrived broken",
    "ben: i am sorry about that",
    "anna: the grinder makes a terrible noise",
    "ben: i will send a new coffee grinder for your order on friday",
    "anna: yes but friday is late",
    "ben: the warehouse packs grinders on thursday",
    "anna: okay",
    "ben: i'll call you when the order with the grinder leaves",
    "anna: do i have to return the broken one",
]


def summary(*turns: str, goal: str | None = None) -> Summary:
    return extracted(conversation(*turns), goal=goal)


def extracted(timeline: list[Utterance], *, goal: str | None = None) -> Summary:
    found: list[Moment] = [moment for utterance in timeline for moment in moments(utterance)]
    return extract(timeline, segmentation(timeline), found, goal=goal)


def test_the_overview_is_what_is_most_about_all_of_it_in_order() -> None:
    assert summary(*CALL).overview == (
        "anna: “the coffee grinder in my order arrived broken” "
        "ben: “the warehouse packs grinders on thursday”"
    )


def test_what_is_to_be_done_and_what_is_open() -> None:
    found = summary(*CALL)
    assert found.action_items == [
        "ben: “i will send a new coffee grinder for your order on friday”",
        "ben: “i'll call you when the order with the grinder leaves”",
    ]
    assert found.open_questions == ["anna: “do i have to return the broken one”"]


def test_insights_are_facts_that_were_found() -> None:
    insights = summary(*CALL).key_insights
    assert insights[0] == (
        "2 questions, the last at 38.5 s: anna: “do i have to return the broken one”"
    )
    assert insights[1] == "1 objection, the last at 23.5 s: anna: “yes but friday is late”"
    assert insights[2].startswith("2 commitments, the last at ")
    assert insights[3].startswith("0.0 to 42.5 s, most telling words: grinder, ")


def test_a_goal_brings_forward_what_is_about_it() -> None:
    assert "noise" not in summary(*CALL).overview
    assert "noise" in summary(*CALL, goal="Are there terrible noises?").overview


def test_a_question_back_is_no_answer() -> None:
    asked = ["anna: what is the price", "ben: which one do you want", "anna: will it arrive"]
    assert len(summary(*asked).open_questions) == 3
    assert summary(*asked, "ben: the price is nine").open_questions == [
        "ben: “which one do you want”"
    ]


def test_where_all_have_one_name_the_next_may_be_somebody_else() -> None:
    asked = ["speaker_1: what is the price", "speaker_1: it is nine", "speaker_1: what is it for"]
    assert summary(*asked).open_questions == ["speaker_1: “what is it for”"]


def test_what_nobody_said_is_not_in_it() -> None:
    silent = summary("anna: ", "ben: ")
    assert silent.overview == "No words were recognised."
    assert silent.key_insights == silent.action_items == silent.open_questions == []
    assert summary("anna: okay", "anna: okay").overview == "anna: “okay”"


def test_a_monologue_is_cut() -> None:
    assert len(summary("anna: " + "delivery " * 1000).overview) < 320


@given(TIMELINES)
def test_any_timeline_has_its_summary(timeline: list[Utterance]) -> None:
    assert extracted(timeline) == extracted(timeline)


def test_another_process_comes_to_the_same() -> None:
    script = (
        "from tests.unit.audioapi.analysis.text.test_summary import CALL, summary;"
        "print(summary(*CALL, goal='broken grinders').model_dump_json())"
    )
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    told = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, check=True
    ).stdout
    assert Summary.model_validate_json(told) == summary(*CALL, goal="broken grinders")
