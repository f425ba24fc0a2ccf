"""An upload that dies, or whose services fail, between any two calls leaves nothing; neither does
one whose audio is deleted at that moment.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from botocore.exceptions import ClientError

from audioapi import settings
from audioapi.library import intake, uploaded
from tests import audio
from tests.integration.audioapi.library_calls import call, organization, stored
from tests.integration.audioapi.library_upload_calls import (
    begin,
    direct,
    do,
    do_jobs,
    rows,
    send_part,
    upload,
)
from tests.integration.audioapi.sessions import received
from tests.integration.audioapi.wire import SQL, Calls, Wire, tapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.template.model import Stack

WAV = audio.wav_bytes(rate=16000, channels=1, seconds=0.2)
WHOLE = ["original", "processed.wav", "waveform.json"]


@dataclass
class Meanwhile(Calls):
    """Calls to AWS from number `at` on come too late: somebody else was faster."""

    at: int = 0
    work: Callable[[], object] | None = None

    def __call__(self, name: str) -> None:
        super().__call__(name)
        if self.work is not None and name != SQL and self.count >= self.at:
            somebody_else, self.work = self.work, None
            somebody_else()


@pytest.fixture(autouse=True)
def acme(stack: Stack, database_secret: None, monkeypatch: pytest.MonkeyPatch) -> UUID:
    settings.library.cache_clear()
    monkeypatch.setattr(intake, "LOOKED_AFTER_SECONDS", 0)
    return organization("Acme")


@pytest.fixture
def wire(acme: UUID) -> Iterator[Wire]:
    with tapped() as wire:
        yield wire


@pytest.mark.parametrize("dies", [True, False], ids=["death", "failure"])
def test_whichever_call_an_upload_ends_before_nothing_is_left(
    acme: UUID, wire: Wire, *, dies: bool
) -> None:
    fatal = 1
    while not wire.survived(lambda: upload(WAV), fatal=fatal, dies=dies):
        do_jobs()
        assert (stored(acme), rows(acme)) == ([], []), (fatal, wire.calls.names)
        fatal += 1
    assert fatal > 8
    assert len(stored(acme)) == 3


def test_an_upload_that_was_answered_is_left_alone(acme: UUID) -> None:
    made = upload(WAV).body
    assert do_jobs(times=3) == 1
    assert stored(acme, UUID(made["id"])) == WHOLE
    assert [str(row.id) for row in rows(acme)] == [made["id"]]


def test_only_its_own_folder_is_removed(acme: UUID, wire: Wire) -> None:
    kept = UUID(upload(WAV).body["id"])
    do_jobs()
    wire.survived(lambda: upload(WAV), fatal=wire_before_the_row(wire), dies=True)
    assert len(stored(acme)) == 6
    do_jobs()
    assert stored(acme, kept) == WHOLE
    assert len(stored(acme)) == 3


def wire_before_the_row(wire: Wire) -> int:
    """The number of the first call behind the last object."""
    return len(wire.calls.names) - wire.calls.names[::-1].index("PutObject") + 1


def arrived() -> str:
    """An upload that can be completed."""
    upload_id: str = begin(len(WAV))["uploadId"]
    send_part(upload_id, 1, WAV)
    return upload_id


@pytest.mark.parametrize("dies", [True, False], ids=["death", "failure"])
def test_whichever_call_a_completion_ends_before_the_audio_comes_whole_or_not_yet(
    acme: UUID, wire: Wire, *, dies: bool
) -> None:
    """Nothing that has arrived is lost: the jobs go on, or the client completes it again."""
    fatal, done = 1, False
    while not done:
        upload_id = arrived()
        done = wire.survived(lambda: direct("complete", upload_id), fatal=fatal, dies=dies)  # noqa: B023 — called at once
        do_jobs()
        again = direct("complete", upload_id)
        assert again.status == 200, (fatal, wire.calls.names)
        do_jobs()
        made = call("library_metadata", again.body["id"], key="Acme").body
        assert "processingStatus" not in made
        assert stored(acme, UUID(made["id"])) == WHOLE
        fatal += 1
    assert fatal > 8
    assert len(rows(acme)) == fatal - 1


def test_an_assembled_upload_becomes_an_audio_though_nobody_asks_again(
    acme: UUID, wire: Wire
) -> None:
    """The request died as soon as S3 had put the parts together."""
    upload_id = arrived()
    wire.survived(lambda: direct("complete", upload_id), fatal=None, dies=True)
    after = wire.calls.names.index("CompleteMultipartUpload") + 2
    received("JobsQueue")
    second = arrived()
    wire.survived(lambda: direct("complete", second), fatal=after, dies=True)
    assert len(rows(acme)) == 1
    do_jobs()
    assert sorted(row.processing_status for row in rows(acme)) == ["complete", "pending"]


@pytest.mark.parametrize("dies", [True, False], ids=["death", "failure"])
def test_whichever_call_the_worker_ends_before_its_next_delivery_is_enough(
    acme: UUID, wire: Wire, *, dies: bool
) -> None:
    fatal, done = 1, False
    while not done:
        answer = direct("complete", arrived())
        [job, *_] = received("JobsQueue")
        done = wire.survived(lambda: do(job), fatal=fatal, dies=dies)  # noqa: B023 — called at once
        do(job)
        audio_id = answer.body["id"]
        assert "processingStatus" not in call("library_metadata", audio_id, key="Acme").body
        assert stored(acme, UUID(audio_id)) == WHOLE
        fatal += 1
    assert fatal > 8


def test_an_audio_that_is_deleted_while_it_is_made_leaves_nothing(acme: UUID, wire: Wire) -> None:
    """At each call of the worker in turn, while it goes on; its message may come again."""
    at, deleted = 1, True
    while deleted:
        audio_id = direct("complete", arrived()).body["id"]
        [job, *_] = received("JobsQueue")
        wire.calls = calls = Meanwhile(at=at)
        calls.work = lambda: call("library_delete", audio_id, key="Acme")  # noqa: B023 — now
        with suppress(ClientError):
            do(job)
        at, deleted, calls.work = at + 1, calls.work is None, None
        do(job)
        assert deleted == (rows(acme) == []), wire.calls.names
        assert len(stored(acme)) == (0 if deleted else 3), wire.calls.names
    assert at > 4


def test_an_audio_that_is_deleted_after_its_worker_died_leaves_nothing(
    acme: UUID, wire: Wire
) -> None:
    fatal, done = 1, False
    while not done:
        audio_id = direct("complete", arrived()).body["id"]
        [job, *_] = received("JobsQueue")
        done = wire.survived(lambda: do(job), fatal=fatal, dies=True)  # noqa: B023 — called at once
        assert call("library_delete", audio_id, key="Acme").status == 200
        do(job)
        assert (stored(acme), rows(acme)) == ([], []), (fatal, wire.calls.names)
        fatal += 1
    assert fatal > 8


def test_what_no_worker_could_make_is_told(acme: UUID) -> None:
    answer = direct("complete", arrived())
    for job in received("JobsQueue"):
        uploaded.give_up(**{name: value for name, value in job.items() if name != "type"})
    made = call("library_metadata", answer.body["id"], key="Acme").body
    assert (made["processingStatus"], made["processingError"]) == ("failed", uploaded.GAVE_UP)
    assert call("library_delete", made["id"], key="Acme").status == 200
    assert (stored(acme), rows(acme)) == ([], [])


def test_what_could_not_be_tidied_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    intake.not_tidied("acme", "17")
    assert "upload not tidied" in caplog.messages
