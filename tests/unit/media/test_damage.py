"""What is counted of a recording's damage."""

from __future__ import annotations

import pytest

from audioapi.media.damage import Damage, DamageReport, Promise
from audioapi.media.segments import Segment
from audioapi.media.sniff import Container


@pytest.mark.parametrize(
    ("losses", "lost_seconds"),
    [
        ([], 0.0),
        ([0.0], 0.0),
        ([0.25, 0.5], 0.75),
        ([None], None),
        ([0.0, None], None),
        ([None, 0.5], 0.5),
    ],
)
def test_what_is_known_to_be_missing_is_added_up(
    losses: list[float | None], lost_seconds: float | None
) -> None:
    report = DamageReport()
    for loss in losses:
        report.warn("It is damaged", loss)
    assert report.lost_seconds == lost_seconds


def test_a_warning_that_is_not_kept_counts_too() -> None:
    report = DamageReport()
    for number in range(100):
        report.warn(str(number), 0.1)
    assert report.warnings == [str(number) for number in range(20)]
    assert report.lost_seconds == 10


SAID = Damage("Header missing", 0.026)
SHORT = "it promises 2.00 s, 1.50 s came"


@pytest.mark.parametrize(
    ("promise", "said", "judged"),
    [
        (Promise(), None, None),
        (Promise(), SAID, SAID),
        (Promise(1.5), None, None),
        (Promise(1.5), SAID, Damage("Header missing", 0.0)),
        (Promise(1.52), None, None),
        (Promise(1.0), SAID, Damage("Header missing", 0.0)),
        (Promise(2.0), None, Damage(SHORT, 0.5)),
        (Promise(2.0), SAID, Damage(f"Header missing; {SHORT}", 0.5)),
        (Promise(2.0, binding=False), None, None),
        (Promise(2.0, binding=False), SAID, Damage("Header missing", 0.5)),
    ],
)
def test_what_a_file_promises_says_how_much_is_missing(
    promise: Promise, said: Damage | None, judged: Damage | None
) -> None:
    assert Segment(Container.MP3, iter(()), promise).judged(said, 1.5) == judged
