"""A recording becomes the same rows and the same files, however often its work is done, in whatever
order, and wherever it was left.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from audioapi import objects, settings
from audioapi.clock import now_ms
from audioapi.identity import Principal
from audioapi.memories import windows
from audioapi.memories.models import audio_key
from audioapi.processing import removal
from tests.audio import pcm, samples_of
from tests.integration.audioapi.functions import statements
from tests.integration.audioapi.memory_calls import (
    RATE,
    blocks,
    bucket,
    file,
    recording,
    remember,
    rows,
    statuses,
    stored,
    values,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from audioapi.memories.models import Recording
    from local.template.model import Stack
    from tests.soak import Soak


@dataclass(frozen=True)
class Spoken:
    text: str
    start: float
    end: float


@pytest.fixture
def recorded(database_secret: None) -> Recording:
    return recording(Principal(uuid4().hex, uuid4().hex))


@pytest.fixture
def _short_windows(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a second each."""
    config = settings.memories().model_copy(update={"window_seconds": 1})
    monkeypatch.setattr(settings, "memories", lambda: config)


def test_a_recording_is_cut_every_thirty_seconds(recorded: Recording) -> None:
    samples = remember(recorded, seconds=70.5)
    found = rows(recorded)
    assert [row.source_window_index for row in found] == [0, 1, 2]
    assert [row.duration_seconds for row in found] == [30.0, 30.0, 10.5]
    assert [row.processing_status for row in found] == ["complete"] * 3
    starts = [recorded.began + timedelta(seconds=30 * n) for n in range(3)]
    assert [row.start_time for row in found] == starts
    assert [row.end_time for row in found] == [*starts[1:], starts[2] + timedelta(seconds=10.5)]
    cut = [samples_of(file(recorded, n)) for n in range(3)]
    assert [len(window) for window in cut] == [960_000, 960_000, 336_000]
    assert b"".join(cut) == samples


def test_a_window_is_a_wav_to_whoever_fetches_it(recorded: Recording) -> None:
    remember(recorded)
    key = audio_key(recorded.session_id, 0)
    assert objects.client().head_object(Bucket=bucket(), Key=key)["ContentType"] == "audio/wav"
    assert file(recorded, 0)[:4] == b"RIFF"


def test_what_ends_with_a_window_has_no_empty_one(recorded: Recording) -> None:
    remember(recorded, seconds=60)
    assert [row.duration_seconds for row in rows(recorded)] == [30.0, 30.0]
    assert len(stored(recorded.session_id)) == 2


@pytest.mark.parametrize("estimate", [0, 10, 45, 500])
def test_the_estimate_gives_way_to_what_there_is(recorded: Recording, estimate: float) -> None:
    windows.plan(recorded, seconds=estimate)
    expected = max(1, math.ceil(estimate / 30))
    assert statuses(recorded) == ["pending"] * expected
    windows.complete(recorded, samples=45 * RATE)
    assert [row.duration_seconds for row in rows(recorded)] == [30.0, 15.0]
    assert statuses(recorded) == ["complete"] * 2


@pytest.mark.parametrize("lie", [math.inf, math.nan, -math.inf, -1, 1e300])
def test_a_length_that_is_a_lie_does_no_harm(recorded: Recording, lie: float) -> None:
    windows.plan(recorded, seconds=lie)
    assert 1 <= len(rows(recorded)) <= 1000


def test_a_recording_of_nothing_failed(recorded: Recording) -> None:
    windows.plan(recorded, seconds=40)
    assert list(windows.cut(recorded, [])) == []
    windows.complete(recorded, samples=0)
    assert statuses(recorded) == ["failed"] * 2
    assert stored(recorded.session_id) == {}


def test_what_failed_is_pending_when_it_is_tried_again(recorded: Recording) -> None:
    windows.plan(recorded, seconds=40)
    windows.fail(recorded)
    assert statuses(recorded) == ["failed"] * 2
    windows.plan(recorded, seconds=40)
    assert statuses(recorded) == ["pending"] * 2
    windows.fail(recorded)
    windows.complete(recorded, samples=20 * RATE)
    assert statuses(recorded) == ["complete"]


def test_what_is_complete_stays_as_it_is(recorded: Recording) -> None:
    remember(recorded, seconds=40)
    windows.set_transcript(recorded, [Spoken("kept", 1.0, 2.0)])
    before, files = values(recorded), stored(recorded.session_id)
    windows.plan(recorded, seconds=500)
    windows.fail(recorded)
    remember(recorded, seconds=40)
    windows.set_transcript(recorded, [Spoken("kept", 1.0, 2.0)])
    assert values(recorded) == before
    assert stored(recorded.session_id) == files


ORDERS = [
    (done, of_one)
    for done in (4, 3, 2, 1)
    for of_one in itertools.combinations(range(4 + done), done)
]
"""In which the steps of two deliveries may come, one of which dies when some are done."""


@pytest.mark.soak
@pytest.mark.usefixtures("_short_windows")
def test_two_deliveries_give_what_one_gives_whatever_their_order(
    recorded: Recording, soak: Soak
) -> None:
    samples = pcm(rate=RATE, channels=1, seconds=2.5)

    def steps(of: Recording, estimate: float) -> list[Callable[[], Any]]:
        return [
            lambda: windows.plan(of, seconds=estimate),
            lambda: list(windows.cut(of, blocks(samples))),
            lambda: windows.complete(of, samples=len(samples) // 2),
            lambda: windows.set_transcript(of, [Spoken("first", 0, 1), Spoken("last", 2, 2.5)]),
        ]

    assert len(ORDERS) == 70 + 35 + 15 + 5
    wanted = []
    for done, of_one in ORDERS[:: len(ORDERS) // soak.count("orders", 13, len(ORDERS))]:
        of = recording(recorded)
        dying, living = iter(steps(of, 1.5)), iter(steps(of, 9))
        for position in range(4 + done):
            next(dying if position in of_one else living)()
        files = [samples_of(data) for data in stored(of.session_id).values()]
        wanted.append((summary(of), files))
    rows_once, files_once = wanted[0]
    assert rows_once == [
        (0, "complete", 1.0, "first"),
        (1, "complete", 1.0, ""),
        (2, "complete", 0.5, "last"),
    ]
    assert b"".join(files_once) == samples
    assert all(result == wanted[0] for result in wanted)


def summary(recorded: Recording) -> list[tuple[Any, ...]]:
    return [
        (row.source_window_index, row.processing_status, row.duration_seconds, row.transcript)
        for row in rows(recorded)
    ]


def test_the_same_window_has_the_same_id(recorded: Recording) -> None:
    remember(recorded, seconds=40)
    ids = [row.id for row in rows(recorded)]
    removal.delete(owner(recorded), recorded.session_id, now=now_ms())
    remember(replace(recorded, asked_at=now_ms() + 1), seconds=40)
    assert [row.id for row in rows(recorded)] == ids


def owner(recorded: Recording) -> Principal:
    return Principal(recorded.user_id, recorded.organization_id)


def test_what_is_deleted_while_the_work_is_done_does_not_come_back(recorded: Recording) -> None:
    samples = pcm(rate=RATE, channels=1, seconds=31)
    windows.plan(recorded, seconds=31)
    work = windows.cut(recorded, blocks(samples))
    next(work)
    assert removal.delete(owner(recorded), recorded.session_id, now=now_ms()).deleted == 2
    for _ in work:
        pass
    assert len(stored(recorded.session_id)) == 2
    windows.complete(recorded, samples=len(samples) // 2)
    assert rows(recorded) == []
    assert stored(recorded.session_id) == {}


def test_a_day_is_written_in_a_few_statements(recorded: Recording) -> None:
    day = 24 * 3600
    with statements() as asked:
        windows.plan(recorded, seconds=day)
        windows.complete(recorded, samples=day * RATE)
        windows.set_transcript(recorded, [Spoken("so", n, n + 1) for n in range(day)])
    assert len(rows(recorded)) == 2880
    assert len(asked) <= 15


def test_a_word_belongs_where_its_middle_is(recorded: Recording) -> None:
    remember(recorded, seconds=65)
    words = [
        Spoken("before", 29.0, 30.9),
        Spoken("at", 29.5, 30.5),
        Spoken("after", 29.2, 31.0),
        Spoken("naïve 🎙", 60.0, 64.9),
        Spoken("beyond", 89.0, 92.0),
    ]
    windows.set_transcript(recorded, words)
    assert [row.transcript for row in rows(recorded)] == ["before", "at after", "naïve 🎙"]
    windows.set_transcript(recorded, words[1:2])
    assert [row.transcript for row in rows(recorded)] == ["", "at", ""]
    windows.set_transcript(recorded, [])
    assert [row.transcript for row in rows(recorded)] == ["", "", ""]


def test_work_on_one_recording_leaves_others_alone(recorded: Recording) -> None:
    other = recording(recorded)
    windows.plan(other, seconds=1)
    windows.plan(recorded, seconds=1)
    before = values(other)
    windows.fail(recorded)
    remember(recorded)
    windows.set_transcript(recorded, [Spoken("mine", 0, 1)])
    assert values(other) == before
