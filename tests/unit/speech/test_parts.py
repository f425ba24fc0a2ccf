"""Where a long recording is parted, and what its parts are together."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi.speech import parts
from audioapi.speech.transcript import Transcript, Utterance, Word

DURATIONS = st.floats(0, 100_000)
SILENCES = st.lists(
    st.tuples(st.floats(0, 100_000), st.floats(0, 100)).map(lambda at: (at[0], at[0] + at[1]))
)


@given(DURATIONS, SILENCES, st.floats(30, 600))
def test_parts_are_the_recording(
    duration: float, silences: list[tuple[float, float]], part_seconds: float
) -> None:
    planned = parts.plan(duration, silences, part_seconds)
    assert planned[0][0] == 0
    assert planned[-1][1] == duration
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(planned))
    length = duration / len(planned)
    for start, end in planned:
        assert end - start >= length / 3 - 0.001
        assert end - start <= length * 5 / 3 + 0.001
    assert planned == parts.plan(duration, silences[::-1], part_seconds)


@pytest.mark.parametrize(
    ("silences", "border"),
    [
        ([], 100.0),
        ([(60.0, 64.0), (110.0, 112.5), (131.0, 140.0)], 111.25),
        ([(69.9, 69.9), (130.1, 130.1)], 100.0),
        ([(80.0, 90.0), (110.0, 120.0)], 85.0),
        ([(99.0, 99.00133)], 99.001),
    ],
    ids=["nominal", "nearest", "too far", "the earlier of two", "whole milliseconds"],
)
def test_a_border_is_in_a_silence(silences: list[tuple[float, float]], border: float) -> None:
    assert parts.plan(200.0, silences) == [(0.0, border), (border, 200.0)]


def test_a_little_more_than_a_part_is_two_halves() -> None:
    assert parts.plan(120.0, []) == [(0.0, 120.0)]
    assert parts.plan(121.0, []) == [(0.0, 60.5), (60.5, 121.0)]
    assert parts.plan(0.0, []) == [(0.0, 0.0)]


def test_a_plan_can_be_kept() -> None:
    planned = parts.plan(500.0, [(99.0, 101.0)])
    assert [tuple(part) for part in json.loads(json.dumps(planned))] == planned


def test_parts_that_were_kept_are_merged() -> None:
    def part(*starts: float) -> Transcript:
        heard = [
            Utterance(at, at + 1, (Word(f"at {at:g}", at + 0.1, at + 0.9, 0.5),)) for at in starts
        ]
        return Transcript(tuple(heard), "test", "1", "en-US")

    kept = [made.to_json() for made in (part(1, 50), part(), part(240, 250))]
    merged = parts.merge([Transcript.from_json(text) for text in kept])
    assert merged == part(1, 50, 240, 250)
