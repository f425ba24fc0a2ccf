"""Conversations for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from audioapi.analysis.models import Utterance

if TYPE_CHECKING:
    from collections.abc import Sequence


def conversation(*turns: str, pause: float = 1.0) -> list[Utterance]:
    """Of "speaker: what they say", half a second a word, with pauses between."""
    timeline: list[Utterance] = []
    for number, turn in enumerate(turns, start=1):
        speaker, _, text = turn.partition(": ")
        start = timeline[-1].t_end + pause if timeline else 0.0
        end = start + len(text.split()) / 2
        timeline.append(
            Utterance(
                utterance_id=f"u{number}", speaker=speaker, t_start=start, t_end=end, text=text
            )
        )
    return timeline


def ids(timeline: Sequence[Utterance]) -> list[str]:
    return [utterance.utterance_id for utterance in timeline]


_WORDS = "yes no i will send you the invoice what is delivery too expensive refund don't agree ? ."
TEXTS = st.one_of(st.lists(st.sampled_from(_WORDS.split()), max_size=30).map(" ".join), st.text())
TIMELINES = st.lists(
    st.builds(
        Utterance,
        utterance_id=st.sampled_from(["a", "b", "c", "d"]),
        speaker=st.sampled_from(["anna", "ben"]),
        t_start=st.floats(0, 10_000),
        t_end=st.floats(0, 10_000),
        text=TEXTS,
    ),
    max_size=40,
)
"""Whatever anybody may send: in no order, over one another, ending before they begin."""
