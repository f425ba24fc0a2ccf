"""An upload that dies, or whose services fail, between any two calls leaves nothing; neither does
one whose audio is deleted at that moment.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from botocore.exceptions import ClientError

from audioapi import settings
from audioapi.library import intake, uploaded
from tests import audio
from tests.integration.audioapi.faults import Calls, Fault, Wire, each_in_turn, tapped
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.template.model import Stack
    from tests.soak import Soak

WAV = audio.wav_bytes(rate=16000, channels=1, seconds=0.2)
WHOLE = ["original", "processed.wav", "waveform.json"]


@dataclass
class Meanwhile(Calls):
    """Calls to AWS from number `at` on come too late: somebody else was faster."""

    at: int = 0
    work: Callable[[], object] | None = None

    def before(self, name: str) -> None:
        super().before(name)
        if self.work is not None and not name.startswith("SQL") and len(self.kinds) >= self.at:
            somebody_else, self.work = self.work, None
            somebody_else()


@pytest.fixture(autouse=True)
def acme(stack: Stack, database_secret: None, monkeypatch: pytest.MonkeyPatch) -> UUID:
    settings.library.cache_clear()
    monkeypatch.setattr(intake, "LOOKED_AFTER_SECONDS", 0)
    return organization("Acme")


@pytest.fixture
def wire(acme: UUID, own_clients: None) -> Iterator[Wire]:
    with tapped() as wire:
        yield wire


@pytest.mark.soak
@pytest.mark.parametrize("fault", [Fault.DEATH, Fault.FAILURE])
def test_whichever_call_an_upload_ends_before_nothing_is_left(
    acme: UUID, wire: Wire, fault: Fault, soak: Soak
) -> None:
    undisturbed = Calls(fault)
    assert wire.survived(lambda: upload(WAV), undisturbed)
    do_jobs()
    assert len(stored(acme)) == 3
    for calls in each_in_turn(undisturbed, soak):
        assert not wire.survived(lambda: upload(WAV), calls)
        do_jobs()
        assert len(stored(acme)) == 3, calls.struck
        assert len(rows(acme)) == 1, calls.struck


def test_an_upload_that_was_answered_is_left_alone(acme: UUID) -> None:
    made = upload(WAV).body
    assert do_jobs(times=3) == 1
    assert stored(acme, UUID(made["id"])) == WHOLE
    assert [str(row.id) for row in rows(acme)] == [made["id"]]


def test_only_its_own_folder_is_removed(acme: UUID, wire: Wire) -> None:
    undisturbed = Calls(Fault.DEATH)
    with wire.watched(undisturbed):
        kept = UUID(upload(WAV).body["id"])
    do_jobs()
    wire.survived(lambda: upload(WAV), Calls(Fault.DEATH, behind_the_objects(undisturbed)))
    assert len(stored(acme)) == 6
    do_jobs()
    assert stored(acme, kept) == WHOLE
    assert len(stored(acme)) == 3


def behind_the_objects(undisturbed: Calls) -> int:
    """The number of the first call behind the last object."""
    return len(undisturbed.names) - undisturbed.names[::-1].index("PutObject") + 1


def arrived() -> str:
    """An upload that can be completed."""
    upload_id: str = begin(len(WAV))["uploadId"]
    send_part(upload_id, 1, WAV)
    return upload_id


@pytest.mark.soak
@pytest.mark.parametrize("fault", [Fault.DEATH, Fault.FAILURE])
def test_whichever_call_a_completion_ends_before_the_audio_comes_whole_or_not_yet(
    acme: UUID, wire: Wire, fault: Fault, soak: Soak
) -> None:
    """Nothing that has arrived is lost: the jobs go on, or the client completes it again."""
    undisturbed = Calls(fault)
    assert wire.survived(partial(direct, "complete", arrived()), undisturbed)
    do_jobs()
    for number, calls in enumerate(each_in_turn(undisturbed, soak), start=2):
        upload_id = arrived()
        wire.survived(partial(direct, "complete", upload_id), calls)
        do_jobs()
        again = direct("complete", upload_id)
        assert again.status == 200, calls.struck
        do_jobs()
        made = call("library_metadata", again.body["id"], key="Acme").body
        assert "processingStatus" not in made, calls.struck
        assert stored(acme, UUID(made["id"])) == WHOLE, calls.struck
        assert len(rows(acme)) == number, calls.struck


def test_an_assembled_upload_becomes_an_audio_though_nobody_asks_again(
    acme: UUID, wire: Wire
) -> None:
    """The request died as soon as S3 had put the parts together."""
    undisturbed = Calls(Fault.DEATH)
    wire.survived(partial(direct, "complete", arrived()), undisturbed)
    after = undisturbed.names.index("CompleteMultipartUpload") + 2
    received("JobsQueue")
    wire.survived(partial(direct, "complete", arrived()), Calls(Fault.DEATH, after))
    assert len(rows(acme)) == 1
    do_jobs()
    assert sorted(row.processing_status for row in rows(acme)) == ["complete", "pending"]


def waiting() -> tuple[UUID, dict[str, Any]]:
    """The id of an audio that is to be made, and the worker's job."""
    answer = direct("complete", arrived())
    [job, *_] = received("JobsQueue")
    return UUID(answer.body["id"]), job


def undisturbed_work(wire: Wire, fault: Fault) -> Calls:
    _, job = waiting()
    calls = Calls(fault)
    assert wire.survived(partial(do, job), calls)
    return calls


@pytest.mark.soak
@pytest.mark.parametrize("fault", [Fault.DEATH, Fault.FAILURE])
def test_whichever_call_the_worker_ends_before_its_next_delivery_is_enough(
    acme: UUID, wire: Wire, fault: Fault, soak: Soak
) -> None:
    for calls in each_in_turn(undisturbed_work(wire, fault), soak):
        audio_id, job = waiting()
        wire.survived(partial(do, job), calls)
        do(job)
        made = call("library_metadata", audio_id, key="Acme").body
        assert "processingStatus" not in made, calls.struck
        assert stored(acme, audio_id) == WHOLE, calls.struck


def test_an_audio_that_is_deleted_while_it_is_made_leaves_nothing(acme: UUID, wire: Wire) -> None:
    """At each call of the worker in turn, while it goes on; its message may come again."""
    at, deleted = 1, True
    while deleted:
        audio_id, job = waiting()
        calls = Meanwhile(at=at, work=partial(call, "library_delete", audio_id, key="Acme"))
        with suppress(ClientError), wire.watched(calls):
            do(job)
        at, deleted = at + 1, calls.work is None
        do(job)
        assert deleted == (rows(acme) == []), calls.names
        assert len(stored(acme)) == (0 if deleted else 3), calls.names
    assert at > 4


@pytest.mark.soak
def test_an_audio_that_is_deleted_after_its_worker_died_leaves_nothing(
    acme: UUID, wire: Wire, soak: Soak
) -> None:
    for calls in each_in_turn(undisturbed_work(wire, Fault.DEATH), soak):
        audio_id, job = waiting()
        wire.survived(partial(do, job), calls)
        assert call("library_delete", audio_id, key="Acme").status == 200
        do(job)
        assert stored(acme, audio_id) == [], calls.struck
        assert len(rows(acme)) == 1, calls.struck


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
