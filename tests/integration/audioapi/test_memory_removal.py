"""With the last memory of a recording goes all else that there is of its sound."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from audioapi import database, identity, objects, settings
from audioapi.clock import now_ms
from audioapi.identity import Principal
from audioapi.memories import windows
from audioapi.memories.models import WorldMMSegment
from audioapi.processing import analysis, removal, results, store, transcripts, work
from audioapi.processing import service as processing
from audioapi.recordings import recording_key
from audioapi.speech import parts
from audioapi.speech.transcript import Transcript
from audioapi.streaming import assembly, service
from tests.audio import pcm, wav
from tests.integration.audioapi.faults import DeadError, die
from tests.integration.audioapi.memory_calls import bucket, call
from tests.integration.audioapi.processing_calls import ask_for_task
from tests.integration.audioapi.sessions import CLOSE, audio, connect, kept, received, say, stored
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "key"
AUDIO = pcm(rate=16000, channels=1, seconds=2)


@dataclass(frozen=True)
class Streamed:
    owner: Principal
    session_id: str

    def objects(self) -> list[str]:
        """All there are of it."""
        return [key for key in stored(bucket(), "") if self.session_id in key]


@pytest.fixture
def owner(database_secret: None) -> Principal:
    found = Principal(str(uuid.uuid4()), str(uuid.uuid4()))
    identity.put_api_key(KEY, found)
    return found


@pytest.fixture
def streamed(owner: Principal) -> Streamed:
    """A session whose file is made, and is to be processed."""
    session_id = str(connect(principal=owner, sample_rate="16000")["session_id"])
    say(audio(AUDIO, 0))
    say({**CLOSE, "chunk_count": 1})
    assembly.assemble_session(session_id)
    return Streamed(owner, session_id)


def process(streamed: Streamed) -> None:
    session = kept(streamed.session_id)
    assert session.file_path
    work.process_session(
        session_id=streamed.session_id,
        organization_id=streamed.owner.organization_id,
        user_id=streamed.owner.user_id,
        key=session.file_path,
        start_time=session.start_time,
    )


def delete(memory_id: str) -> Any:
    return call("memory_delete", memory_id, key=KEY)


def segments(session_id: str) -> list[str]:
    wanted = (
        select(WorldMMSegment.id)
        .where(WorldMMSegment.source_session_id == session_id)
        .order_by(WorldMMSegment.source_window_index)
    )
    return list(database.transaction(lambda session: session.scalars(wanted).all()))


def test_a_sessions_file_chunks_and_results_go_with_its_memory(streamed: Streamed) -> None:
    process(streamed)
    prefixes = {key.partition("/")[0] for key in streamed.objects()}
    assert prefixes == {"audio_sessions", "chunks", "processing", "sessions"}
    assert delete(streamed.session_id).status == 200
    assert streamed.objects() == []
    info = service.info(streamed.owner, streamed.session_id)
    assert (info.status, info.file_path, info.download_url) == ("completed", None, None)
    task = ask_for_task(streamed.session_id, key=KEY).body
    assert (task["status"], task["result"]["urls"], task["result"]["text"]) == (
        "SUCCESS",
        None,
        None,
    )


def test_what_a_deletion_that_died_has_left_goes_with_the_tasks_next_job(
    streamed: Streamed, monkeypatch: pytest.MonkeyPatch
) -> None:
    process(streamed)
    with monkeypatch.context() as dying:
        dying.setattr(results, "remove", die)
        with pytest.raises(DeadError):
            removal.forget(streamed.owner, streamed.session_id, whole=True)
    process(streamed)
    assert {key.partition("/")[0] for key in streamed.objects()} == {"sessions"}
    assert service.info(streamed.owner, streamed.session_id).download_url is None


def test_the_file_stays_until_the_last_window_goes(
    streamed: Streamed, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_windows_of_a_second(monkeypatch)
    process(streamed)
    first, last = segments(streamed.session_id)
    delete(first)
    assert service.info(streamed.owner, streamed.session_id).download_url
    delete(last)
    assert streamed.objects() == []
    assert service.info(streamed.owner, streamed.session_id).download_url is None


@pytest.mark.parametrize("step", ["windows.plan", "results.put_audio", "windows.complete"])
def test_what_is_deleted_while_it_is_worked_on_leaves_nothing(
    streamed: Streamed, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    after(step, lambda: delete(streamed.session_id), monkeypatch)
    process(streamed)
    assert streamed.objects() == []
    assert segments(streamed.session_id) == []
    task = ask_for_task(streamed.session_id, key=KEY).body
    assert (task["status"], task["error"]) == (
        "FAILURE",
        "Its memories were deleted while it was processed",
    )
    [told] = [each for each in received("WebhooksQueue") if "recording" in each["event_type"]]
    assert told["event_type"] == "recording.failed"


def test_windows_that_were_expected_and_never_came_keep_nothing(
    streamed: Streamed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that there really are were deleted before it was known how many."""
    monkeypatch.setattr(analysis, "estimated_seconds", lambda *_, **__: 60.0)
    after("windows.plan", lambda: delete(segments(streamed.session_id)[0]), monkeypatch)
    process(streamed)
    assert segments(streamed.session_id) == []
    assert streamed.objects() == []
    assert ask_for_task(streamed.session_id, key=KEY).body["status"] == "FAILURE"


def test_a_worker_that_died_has_its_leavings_removed(
    streamed: Streamed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window that was deleted, and stored by a second worker since."""
    in_windows_of_a_second(monkeypatch)
    process(streamed)
    delete(segments(streamed.session_id)[0])
    again = f"sessions/{streamed.session_id}/window_000/audio.wav"
    objects.client().put_object(Bucket=bucket(), Key=again, Body=b"")
    process(streamed)
    assert again not in streamed.objects()


def test_all_tasks_of_a_file_lose_their_results(owner: Principal) -> None:
    key = recording_key(owner.organization_id, owner.user_id, "talk.wav")
    objects.client().put_object(Bucket=bucket(), Key=key, Body=wav(AUDIO, rate=16000, channels=1))
    first, second = (file_processed(owner, key) for _ in range(2))
    memory_id = ask_for_task(first, key=KEY).body["result"]["memory_id"]
    delete(memory_id)
    assert stored(bucket(), "") == [key]
    for task_id in (first, second):
        assert ask_for_task(task_id, key=KEY).body["result"]["urls"] is None
    third = file_processed(owner, key)
    assert ask_for_task(third, key=KEY).body["result"]["memory_id"] == memory_id
    assert len(segments(memory_id)) == 1


def test_a_worker_of_before_takes_nothing_from_one_that_was_asked_later(
    owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = recording_key(owner.organization_id, owner.user_id, "talk.wav")
    objects.client().put_object(Bucket=bucket(), Key=key, Body=wav(AUDIO, rate=16000, channels=1))

    def delete_and_ask_again() -> None:
        [memory] = call("memory_list", key=KEY).body["data"]["memories"]
        delete(memory["memory_id"])
        deleted_at = now_ms()  # deleted is what was asked for until that millisecond
        until(lambda: now_ms() > deleted_at)
        file_processed(owner, key)

    after("windows.plan", delete_and_ask_again, monkeypatch)
    file_processed(owner, key)
    [memory] = call("memory_list", key=KEY).body["data"]["memories"]
    assert call("memories_audio", memory["memory_id"], key=KEY).body["data"]["presigned_url"]


def test_a_part_of_the_transcript_that_comes_late_goes_too(
    streamed: Streamed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRANSCRIBER", "pocketsphinx")
    settings.processing.cache_clear()
    process(streamed)
    monkeypatch.setattr(transcripts, "_recogniser", lambda: None)
    monkeypatch.setattr(parts, "transcribe", lambda *_, **__: Transcript((), "fake", "1", "en-US"))
    after("transcripts._keep_part", lambda: delete(streamed.session_id), monkeypatch)
    received("WebhooksQueue")
    transcripts.transcribe_part(streamed.session_id, 0)
    assert streamed.objects() == []
    assert [told["event_type"] for told in received("WebhooksQueue")] == ["recording.failed"]


def test_a_deletion_that_was_cut_short_is_asked_for_again(
    streamed: Streamed, monkeypatch: pytest.MonkeyPatch
) -> None:
    process(streamed)
    for module in ("processing.results.remove", "streaming.removal.remove_audio"):
        with monkeypatch.context() as patch:
            patch.setattr(f"audioapi.{module}", die)
            with pytest.raises(DeadError):
                removal.delete(streamed.owner, streamed.session_id, now=now_ms())
        assert segments(streamed.session_id)
    assert delete(streamed.session_id).status == 200
    assert streamed.objects() == []


def test_a_file_that_is_made_anew_meanwhile_is_not_handed_out(
    streamed: Streamed, monkeypatch: pytest.MonkeyPatch
) -> None:
    process(streamed)
    service.rebuild(streamed.session_id)
    really = objects.upload_parts

    def delete_then_upload(*given: Any, **named: Any) -> None:
        delete(streamed.session_id)
        really(*given, **named)

    monkeypatch.setattr(objects, "upload_parts", delete_then_upload)
    assembly.assemble_session(streamed.session_id)
    assert streamed.objects() == []
    assert service.info(streamed.owner, streamed.session_id).download_url is None


def in_windows_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDOW_SECONDS", "1")
    settings.memories.cache_clear()


def file_processed(owner: Principal, key: str) -> str:
    """The id of a task that has been done."""
    task_id = str(uuid.uuid4())
    new = processing._task(
        task_id, owner.organization_id, owner.user_id, file_id="talk", key=key, now=now_ms()
    )
    store.add(new)
    work.process_recording(task_id)
    return task_id


def after(step: str, what: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Has something done once, when the worker has done that step."""
    module, name = step.split(".")
    home = {"windows": windows, "results": results, "transcripts": transcripts}[module]
    really = getattr(home, name)

    def and_then(*given: Any, **named: Any) -> Any:
        done = really(*given, **named)
        monkeypatch.setattr(home, name, really)
        what()
        return done

    monkeypatch.setattr(home, name, and_then)
