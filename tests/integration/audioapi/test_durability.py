"""An acknowledged chunk is in the file, whatever happens between any two lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from audioapi import objects, settings
from audioapi.clock import now_ms
from audioapi.streaming import assembly, chunks, service, store, sweeper
from audioapi.streaming.models import Status
from tests.audio import pcm, samples_of, wav_bytes
from tests.integration.audioapi.sessions import CLOSE, audio, connect, kept, received, say, stored

if TYPE_CHECKING:
    from local.template.model import Stack

AUDIO = pcm(rate=16000, channels=1, seconds=0.2)


class CrashError(Exception):
    """The function's process is gone at this line."""


def crash(*_: object, **__: object) -> Any:
    raise CrashError


def bucket(stack: Stack) -> str:
    return str(stack.resources["AudioBucket"].properties["BucketName"])


def samples(stack: Stack, session_id: str) -> bytes:
    key = kept(session_id).file_path
    assert key is not None
    body = boto3.client("s3").get_object(Bucket=bucket(stack), Key=key)["Body"].read()
    return samples_of(body)


def run_jobs() -> None:
    """What the worker does with the jobs that wait."""
    while jobs := received("JobsQueue"):
        for job in jobs:
            assembly.assemble_session(job["session_id"])


@pytest.fixture
def session_id(stack: Stack) -> str:
    return str(connect(sample_rate="16000")["session_id"])


def test_a_chunk_whose_commit_failed_is_not_acknowledged_and_may_be_sent_again(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unavailable = ClientError({"Error": {"Code": "InternalServerError"}}, "UpdateItem")
    with monkeypatch.context() as patch:
        patch.setattr(store, "commit_chunk", lambda *_, **__: (_ for _ in ()).throw(unavailable))
        answer = say(audio(AUDIO, 0))
    assert (answer["status"], answer["retry"], answer["seq"]) == ("error", True, 0)
    assert say(audio(AUDIO, 0))["message"] == "Chunk processed successfully"
    assert stored(bucket(stack), "chunks/") == [f"chunks/{session_id}/seq/0000000000"]


def test_a_close_that_is_carried_out_after_the_disconnect_counts(
    stack: Stack, session_id: str
) -> None:
    say(audio(AUDIO, 0))
    service.disconnect("c1")
    store.connection.cache_clear()
    say(CLOSE)
    run_jobs()
    assert samples(stack, session_id) == AUDIO
    assert store.connections(session_id) == []


def test_a_duplicate_is_acknowledged_and_counted_once(session_id: str) -> None:
    assert [say(audio(AUDIO, 0))["chunk_count"] for _ in range(3)] == [1, 1, 1]
    assert kept(session_id).bytes_received == len(AUDIO)


def test_a_chunk_that_meets_the_seal_is_refused(
    session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker seals between the chunk's object and its commit: the narrowest place there is."""
    say(CLOSE)
    put = objects.put_once

    def seal_then_put(*args: Any) -> bool:
        store.seal(session_id)
        return put(*args)

    monkeypatch.setattr(objects, "put_once", seal_then_put)
    answer = say(audio(AUDIO, 0), at=now_ms() - 1000)
    assert (answer["status"], answer["error"]) == ("error", "Session already finalized")


def test_every_chunk_committed_before_the_seal_is_in_the_file(
    stack: Stack, session_id: str
) -> None:
    early = now_ms()
    say(audio(AUDIO, 0))
    say(CLOSE)
    assert say(audio(AUDIO, 1), at=early)["status"] == "active"
    run_jobs()
    assert samples(stack, session_id) == AUDIO * 2


@pytest.mark.parametrize("where", ["seal", "complete"])
def test_a_worker_that_dies_leaves_a_job_that_can_be_done_again(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    say(audio(AUDIO, 0))
    say(CLOSE)
    with monkeypatch.context() as patch:
        patch.setattr(store, where, crash)
        with pytest.raises(CrashError):
            assembly.assemble_session(session_id)
    assert kept(session_id).status is not Status.COMPLETED
    assembly.assemble_session(session_id)
    assert samples(stack, session_id) == AUDIO


def test_an_upload_that_dies_leaves_no_object_and_no_parts(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(audio(AUDIO, 0))
    say(CLOSE)
    with monkeypatch.context() as patch:
        patch.setattr(objects.client(), "complete_multipart_upload", crash)
        with pytest.raises(CrashError):
            assembly.assemble_session(session_id)
    assert stored(bucket(stack), "audio_sessions/") == []
    assert "Uploads" not in boto3.client("s3").list_multipart_uploads(Bucket=bucket(stack))
    run_jobs()
    assert samples(stack, session_id) == AUDIO


def test_a_job_that_comes_again_changes_nothing_and_tells_again(
    stack: Stack, session_id: str
) -> None:
    say(audio(AUDIO, 0))
    say(CLOSE)
    run_jobs()
    before, told = kept(session_id), received("NotificationsQueue")
    assembly.assemble_session(session_id)
    assert kept(session_id) == before
    again = received("NotificationsQueue")
    for notice in (*told, *again):
        notice["frame"].pop("download_url")  # signed anew
    assert again == told


def test_a_close_that_dies_before_its_job_is_taken_up_by_the_sweeper(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(audio(AUDIO, 0))
    with monkeypatch.context() as patch:
        patch.setattr("audioapi.streaming.service.send_job", crash)
        with pytest.raises(CrashError):
            say(CLOSE)
    assert received("JobsQueue") == []
    sweeper.sweep(now=now_ms() + 30_000)
    assert received("JobsQueue") == []
    sweeper.sweep(now=now_ms() + 61_000)
    run_jobs()
    assert samples(stack, session_id) == AUDIO


def test_a_session_without_traffic_is_closed_and_its_file_made(
    stack: Stack, session_id: str
) -> None:
    say(audio(AUDIO, 0))
    sweeper.sweep(now=now_ms() + 299_000)
    assert kept(session_id).status is Status.ACTIVE
    sweeper.sweep(now=now_ms() + 301_000)
    run_jobs()
    assert samples(stack, session_id) == AUDIO


def test_a_session_ends_with_its_longest_duration(session_id: str) -> None:
    sweeper.sweep(now=now_ms() + 24 * 3_600_000)
    assert kept(session_id).status is Status.CLOSING


@pytest.mark.parametrize(
    ("failure", "named"), [(CrashError, "CrashError"), (None, "the worker ended")]
)
def test_a_job_that_failed_too_often_marks_its_session_with_the_reason(
    session_id: str,
    monkeypatch: pytest.MonkeyPatch,
    failure: type[Exception] | None,
    named: str,
) -> None:
    say(audio(AUDIO, 0))
    say(CLOSE)
    if failure:
        with monkeypatch.context() as patch:
            patch.setattr(objects, "upload_parts", crash)
            with pytest.raises(failure):
                assembly.assemble_session(session_id)
    assembly.give_up(session_id)
    failed = kept(session_id)
    assert failed.status is Status.ERROR
    assert failed.error == f"{assembly.GAVE_UP} (last failure: {named})"
    assembly.assemble_session(session_id)
    assert kept(session_id) == failed


def test_missing_chunks_are_listed_and_the_rest_is_kept(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seq in (0, 2):
        say(audio(AUDIO, seq))
    say({**CLOSE, "chunk_count": 7})
    looks = settings.streaming().straggler_wait_seconds
    for _ in range(looks - 1):
        assembly.assemble_session(session_id)
    say(audio(AUDIO, 5))
    for _ in range(looks):
        assembly.assemble_session(session_id)
    assert kept(session_id).status is Status.CLOSING
    assembly.assemble_session(session_id)
    session = kept(session_id)
    assert session.missing_chunks == [1, 3, 4, 6]
    assert session.lost_seconds == pytest.approx(session.duration_seconds * 4 / 3)
    assert samples(stack, session_id) == AUDIO * 3


def test_a_close_that_counts_is_done_when_they_are_there(stack: Stack, session_id: str) -> None:
    """Not before: until then the job puts itself off."""
    say(audio(AUDIO, 1))
    say({**CLOSE, "chunk_count": 2})
    assembly.assemble_session(session_id)
    assert kept(session_id).status is Status.CLOSING
    say(audio(AUDIO, 0))
    assembly.assemble_session(session_id)
    assert samples(stack, session_id) == AUDIO * 2


def test_a_chunk_that_is_kept_and_not_counted_yet_is_waited_for(session_id: str) -> None:
    """The worker looks between its object and its commit, which a seal would refuse."""
    say(audio(AUDIO, 0))
    chunks.put(session_id, AUDIO, seq=1, order="")
    say({**CLOSE, "chunk_count": 2})
    assembly.assemble_session(session_id)
    assert kept(session_id).status is Status.CLOSING
    assert say(audio(AUDIO, 1))["message"] == "Chunk processed successfully"


def test_a_close_waits_for_quiet(session_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings.streaming().model_copy(update={"close_settle_seconds": 2})
    monkeypatch.setattr(settings, "streaming", lambda: config)
    early = now_ms()
    say(audio(AUDIO, 0))
    say(CLOSE)
    say(audio(AUDIO, 1), at=early)
    assembly.assemble_session(session_id)
    assert kept(session_id).status is Status.CLOSING
    assembly.assemble_session(session_id)
    assert kept(session_id).status is Status.COMPLETED


def test_chunks_that_are_listed_late_are_waited_for(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seq in range(2):
        say(audio(AUDIO, seq))
    say(CLOSE)
    assemble_by_a_late_list(session_id, monkeypatch)
    assert kept(session_id).status is Status.SEALED
    assert received("JobsQueue")
    assembly.assemble_session(session_id)
    assert samples(stack, session_id) == AUDIO * 2


def assemble_by_a_late_list(session_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first chunk is in it."""
    sizes = objects.sizes
    with monkeypatch.context() as late:
        late.setattr(objects, "sizes", lambda *where, **after: [*sizes(*where, **after)][:1])
        assembly.assemble_session(session_id)


def test_a_chunk_that_is_not_counted_is_waited_for_too(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first function died before the commit, and what comes again isn't counted."""
    say(audio(AUDIO, 0))
    chunks.put(session_id, AUDIO, seq=1, order="")
    assert say(audio(AUDIO, 1))["chunk_count"] == 1
    say(CLOSE)
    assemble_by_a_late_list(session_id, monkeypatch)
    assert kept(session_id).status is Status.SEALED
    assembly.assemble_session(session_id)
    assert samples(stack, session_id) == AUDIO * 2


def test_a_chunk_that_only_the_greeting_acknowledged_is_waited_for(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its function died before the commit, and its client came back."""
    chunks.put(session_id, AUDIO, seq=0, order="")
    assert connect("c2", session_id=session_id)["next_seq"] == 1
    say(CLOSE, "c2")
    with monkeypatch.context() as late:
        late.setattr(objects, "sizes", lambda *_, **__: iter(()))
        assembly.assemble_session(session_id)
    assert kept(session_id).status is Status.SEALED
    assembly.assemble_session(session_id)
    assert samples(stack, session_id) == AUDIO


def test_the_furthest_of_chunks_that_come_at_once_stays_known(session_id: str) -> None:
    known = kept(session_id)
    for seq in (2, 1):
        store.commit_chunk(known, size=1, seq=seq, new=True, received_at=known.start_time)
    session = kept(session_id)
    assert (session.last_seq, session.total_chunks) == (2, 2)


@pytest.mark.parametrize("listed", [False, True])
def test_chunks_that_are_gone_are_told(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch, *, listed: bool
) -> None:
    """Somebody deleted them, before the worker looked or after."""
    for seq in range(3):
        say(audio(AUDIO, seq))
    say(CLOSE)
    gone = f"chunks/{session_id}/seq/0000000001"
    if listed:
        chunks.settle(chunks.listed(kept(session_id)))
    objects.delete_many(bucket(stack), [gone])
    if listed:
        monkeypatch.setattr(assembly, "_MOST_SHORT_LOOKS", 0)
    while not kept(session_id).status.finished:
        assembly.assemble_session(session_id)
    session = kept(session_id)
    assert session.error == "1 chunks are gone from the store"
    assert session.total_chunks == 2
    assert session.lost_seconds == pytest.approx(session.duration_seconds / 2)
    assert samples(stack, session_id) == AUDIO * 2


def test_two_workers_make_the_same_file(
    stack: Stack, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk that was refused lands behind the seal, and between their looks."""
    say(audio(AUDIO, 0))
    say(CLOSE)
    with monkeypatch.context() as patch:
        patch.setattr(store, "complete", crash)
        with pytest.raises(CrashError):
            assembly.assemble_session(session_id)
    chunks.put(session_id, AUDIO, seq=1, order="")
    assembly.assemble_session(session_id)
    assert kept(session_id).total_chunks == 1
    assert samples(stack, session_id) == AUDIO


def test_bytes_that_are_no_audio_end_in_error_and_stay(stack: Stack, session_id: str) -> None:
    say(audio(b"Dear Sir or Madam, this is no audio." * 10, 0))
    say(CLOSE)
    run_jobs()
    failed = kept(session_id)
    assert failed.status is Status.ERROR
    assert failed.error
    assert stored(bucket(stack), f"chunks/{session_id}/")
    assert stored(bucket(stack), "audio_sessions/") == []


def test_a_wav_in_pieces_is_one_wav(stack: Stack, session_id: str) -> None:
    whole = wav_bytes(rate=16000, channels=1, seconds=0.2)
    for seq, at in enumerate(range(0, len(whole), 999)):
        say(audio(whole[at : at + 999], seq))
    say(CLOSE)
    run_jobs()
    assert samples(stack, session_id) == AUDIO
