"""What a conversation is about, one thing after another."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hypothesis import given

from audioapi.analysis.text.segmentation import segmentation
from tests.unit.audioapi.analysis.talk import TEXTS, TIMELINES, conversation, ids

if TYPE_CHECKING:
    from audioapi.analysis.models import Utterance

INVOICE = [
    "anna: the invoice of march shows a wrong amount",
    "ben: let me open the invoice from your account",
    "anna: the amount on the invoice includes a fee",
    "ben: that fee is a billing fee for paper invoices",
    "anna: i never ordered paper invoices from billing",
    "ben: then billing must credit the fee to your account",
    "anna: the credit should cover the full amount of the fee",
    "ben: your account shows the credit and a new invoice",
    "anna: so the invoice amount is lower without the fee",
    "ben: billing confirms the corrected amount on your account",
]
DELIVERY = [
    "anna: the parcel with the coffee grinder never arrived",
    "ben: the courier left the parcel at the depot",
    "anna: which depot has the grinder and the coffee",
    "ben: the courier depot near the harbour keeps parcels a week",
    "anna: the courier could deliver the parcel again on friday",
    "ben: the depot books a courier for friday with your parcel",
    "anna: the grinder is fragile so the courier should ring",
    "ben: the parcel has a fragile label and the courier rings",
    "anna: then friday delivery of the grinder from the depot",
    "ben: friday the courier brings grinder and coffee in one parcel",
]


def test_another_topic_begins_another_segment() -> None:
    timeline = conversation(*INVOICE, *DELIVERY)
    first, second = segmentation(timeline).segments
    assert first.utterance_ids == ids(timeline[:10])
    assert second.utterance_ids == ids(timeline[10:])
    assert (first.t_start, first.t_end) == (0.0, timeline[9].t_end)
    assert (second.t_start, second.t_end) == (timeline[10].t_start, timeline[-1].t_end)
    assert {"invoice", "fee"} <= set(first.keywords)
    assert {"courier", "parcel"} <= set(second.keywords)
    assert first.title == ", ".join(first.keywords[:3])


def test_one_topic_is_one_segment() -> None:
    [segment] = segmentation(conversation(*INVOICE)).segments
    assert segment.utterance_ids == [f"u{number}" for number in range(1, 11)]


def test_the_longer_pause_is_the_border_between_words_that_tell_nothing() -> None:
    fillers = ["anna: okay", "ben: yes", "anna: well", "ben: so"]
    timeline = conversation(*INVOICE, *fillers, *DELIVERY)
    late = [
        it.model_copy(update={"t_start": it.t_start + 9, "t_end": it.t_end + 9})
        for it in timeline[12:]
    ]
    first, second = segmentation([*timeline[:12], *late]).segments
    assert first.utterance_ids[-1] == "u12"
    assert second.utterance_ids[0] == "u13"


def test_the_order_of_the_timeline_says_nothing() -> None:
    timeline = conversation(*INVOICE, *DELIVERY)
    shuffled = random.Random(5).sample(timeline, len(timeline))
    assert segmentation(shuffled) == segmentation(timeline)


def test_context_brings_its_words_forward_if_they_were_said() -> None:
    timeline = conversation(*INVOICE, *DELIVERY)
    plain = segmentation(timeline).segments[1].keywords
    told = segmentation(timeline, context="fragile rockets").segments[1].keywords
    assert "fragile" not in plain
    assert "fragile" in told
    assert "rockets" not in told


def test_a_title_without_telling_words_is_what_was_said_first() -> None:
    [segment] = segmentation(conversation("anna: yes of course", "ben: okay")).segments
    assert (segment.title, segment.keywords) == ("yes of course", [])


def test_nothing_has_no_segments() -> None:
    assert segmentation([]).segments == []


@given(TIMELINES, TEXTS)
def test_every_utterance_is_in_one_segment_in_order_of_time(
    timeline: list[Utterance], context: str
) -> None:
    segments = segmentation(timeline, context=context).segments
    ordered = sorted(timeline, key=lambda it: (it.t_start, it.t_end, it.utterance_id))
    assert [it for segment in segments for it in segment.utterance_ids] == ids(ordered)
    said = {word for utterance in timeline for word in utterance.text.lower().split()}
    assert all(" ".join(said).count(word) for segment in segments for word in segment.keywords)


def test_ten_thousand_utterances_of_many_topics() -> None:
    topics = [[f"{word}{n}" for word in ("invoice", "parcel", "coffee")] for n in range(100)]
    turns = [f"anna: {' '.join(words)} {' '.join(words)}" for words in topics for _ in range(100)]
    segments = segmentation(conversation(*turns)).segments
    assert [len(segment.utterance_ids) for segment in segments] == [100] * 100
