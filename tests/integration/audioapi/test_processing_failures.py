"""What goes wrong, and what callers are told of it: a recording that is none, work that fails."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ResponseStreamingError
from botocore.stub import Stubber

from audioapi import database, identity, objects, settings
from audioapi.identity import Principal
from audioapi.media.errors import CommandError
from audioapi.memories import windows
from audioapi.memories.models import WorldMMSegment
from audioapi.processing import source, store
from audioapi.speech import amazon, parts
from audioapi.streaming import assembly
from tests import audio
from tests.integration import ffmpegs
from tests.integration.audioapi import sessions
from tests.integration.audioapi.processing_calls import (
    ask_for_task,
    bucket,
    do,
    do_jobs,
    finished,
    give_up,
    kept,
    made,
    put_recording,
    started,
)
from tests.integration.audioapi.sessions import received, stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.template.model import Stack

RECORDING = audio.wav_bytes(rate=16000, channels=1, seconds=1.0)
OWNER = Principal("dev-user", "acme-corp")
SESSION_JOB: dict[str, Any] = {
    "type": "process_session",
    "session_id": "00000000-0000-4000-8000-000000000002",
    "organization_id": "acme-corp",
    "user_id": "dev-user",
    "key": "audio_sessions/00000000-0000-4000-8000-000000000002.wav",
    "start_time": 1_795_251_600_000,
}

pytestmark = pytest.mark.usefixtures("database_secret")


@pytest.fixture(autouse=True)
def _caller(stack: Stack) -> None:
    identity.put_api_key("dev-key", OWNER)


@pytest.fixture
def _transcribe(monkeypatch: pytest.MonkeyPatch, stack: Stack) -> Iterator[None]:
    monkeypatch.setenv("TRANSCRIBER", "transcribe")
    settings.processing.cache_clear()
    amazon.client.cache_clear()
    yield
    amazon.client.cache_clear()


@pytest.fixture
def _parts(monkeypatch: pytest.MonkeyPatch, stack: Stack) -> None:
    """Every recording is transcribed in parts of half a second."""
    monkeypatch.setenv("TRANSCRIBER", "pocketsphinx")
    settings.processing.cache_clear()
    plan = parts.plan
    monkeypatch.setattr(parts, "plan", lambda seconds, silences: plan(seconds, silences, 0.5))


def crash(*_: object, **__: object) -> Any:
    raise RuntimeError


def failed(task_id: str) -> str:
    """Why a task failed, of which nothing is left but announcements."""
    task = finished(task_id)
    assert (task["status"], task["result"]) == ("FAILURE", None)
    assert stored(bucket(), f"processing/{task_id}/") == []
    reason: str = task["error"]
    return reason


def announced() -> list[dict[str, Any]]:
    return received("WebhooksQueue")


def test_a_recording_that_is_missing_fails_with_that_reason() -> None:
    assert failed(started(file_id="67890")) == "There is no recording '67890.m4a'"


def test_an_empty_recording_fails_with_that_reason() -> None:
    put_recording(b"")
    assert failed(started(file_id="67890")) == "The recording '67890.m4a' is empty"


def test_a_recording_of_which_sound_is_lost_fails_with_both_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FFMPEG_PATH", str(ffmpegs.breaking_off(tmp_path, samples=640)))
    put_recording(RECORDING)
    reason = failed(started(file_id="67890"))
    assert reason == "1.000 s were decoded, but what came out has 0.040 s"


def test_so_does_one_that_is_not_all_in_its_memories(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(*arguments: Any) -> Iterator[bytes]:
        yield from cut(*arguments)
        arguments[-1].samples -= 4000

    cut = windows.cut
    monkeypatch.setattr(windows, "cut", forgetful)
    put_recording(RECORDING)
    reason = failed(started(file_id="67890"))
    assert reason == "1.000 s were decoded, but its memories hold 0.750 s"


def test_an_ffmpeg_that_lacks_an_option_is_our_failure_and_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FFMPEG_PATH", str(ffmpegs.of_debian_12(tmp_path)))
    put_recording(RECORDING)
    task_id = started(file_id="67890")
    [job] = received("JobsQueue")
    with pytest.raises(CommandError, match="Error setting option framelog to value quiet"):
        do(job)
    give_up(job)
    reason = failed(task_id)
    assert reason == "The recording could not be processed (last failure: CommandError)"


def test_a_recording_over_the_limit_fails_before_it_is_read(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_FILE_SIZE_MB", "1")
    settings.processing.cache_clear()
    put_recording(bytes(1024 * 1024 + 1))
    monkeypatch.setattr(source, "read", crash)
    reason = failed(started(file_id="67890"))
    assert reason == "The recording has 1.0 MB; MAX_FILE_SIZE_MB allows 1"


@pytest.mark.parametrize(
    "data",
    [
        b"Dear Sir or Madam, this is no audio." * 100,
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        audio.encoded("mp4")[:400],
        b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(4000),
    ],
    ids=["text", "hls", "ffconcat", "half-an-mp4", "nothing-but-a-tag"],
)
def test_what_is_no_audio_fails_with_a_reason_for_a_person(data: bytes) -> None:
    put_recording(data)
    reason = failed(started(file_id="67890"))
    assert " " in reason
    assert not re.search(r"/|0x|Error|Traceback", reason)


def test_a_recording_that_becomes_too_long_is_refused(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = {"max_session_duration_hours": 0.01}
    config = settings.streaming().model_copy(update=limit)
    monkeypatch.setattr(settings, "streaming", lambda: config)
    put_recording(audio.wav(bytes(2 * 37 * 8000), rate=8000, channels=1))
    assert "36 s" in failed(started(file_id="67890"))


def test_a_file_that_needs_more_disk_than_the_worker_has_is_refused(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKER_STORAGE_MB", "33")
    settings.worker.cache_clear()
    put_recording(audio.encoded("mp4", seconds=1.0) + bytes(1024 * 1024))
    assert "1048576 bytes" in failed(started(file_id="67890"))


def test_the_memories_of_a_failed_recording_are_failed_or_none() -> None:
    put_recording(b"Dear Sir or Madam" * 100)
    failed(started(file_id="67890"))
    rows = database.transaction(lambda session: session.query(WorldMMSegment).all())
    mine = [row for row in rows if row.organization_id == "acme-corp"]
    assert "pending" not in {row.processing_status for row in mine}


def test_a_failure_is_announced_once_and_what_comes_again_says_it_again() -> None:
    task_id = started(file_id="67890")
    [job] = received("JobsQueue")
    do(job)
    [event] = announced()
    assert event["event_type"] == "recording.failed"
    assert event["data"] == {
        "task_id": task_id,
        "file_id": "67890",
        "memory_id": None,
        "status": "FAILURE",
        "error": "There is no recording '67890.m4a'",
    }
    put_recording(RECORDING)
    do(job)
    [again] = announced()
    assert again["event_id"] == event["event_id"]
    assert kept(task_id).error == "There is no recording '67890.m4a'"


def test_success_is_announced_with_the_memory() -> None:
    put_recording(RECORDING)
    task_id = started(file_id="67890")
    do_jobs()
    [event] = announced()
    assert event["event_type"] == "recording.completed"
    assert event["data"]["memory_id"] == kept(task_id).memory_id
    assert (event["organization_id"], event["user_id"]) == ("acme-corp", "dev-user")


def test_a_recording_that_is_replaced_meanwhile_fails_with_that_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_recording(RECORDING)
    task_id = started(file_id="67890")
    [job] = received("JobsQueue")
    with monkeypatch.context() as patch:
        patch.setattr(store, "analysed", crash)
        with pytest.raises(RuntimeError):
            do(job)
    put_recording(RECORDING + RECORDING)
    do(job)
    assert kept(task_id).error == "The recording was replaced while it was processed"


def test_a_job_that_failed_too_often_fails_its_task_with_the_last_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_recording(RECORDING)
    task_id = started(file_id="67890")
    [job] = received("JobsQueue")
    monkeypatch.setattr(store, "analysed", crash)
    with pytest.raises(RuntimeError):
        do(job)
    for _ in range(2):
        give_up(job)
    task = ask_for_task(task_id).body
    assert task["status"] == "FAILURE"
    assert task["error"] == "The recording could not be processed (last failure: RuntimeError)"
    assert len({event["event_id"] for event in announced()}) == 1


def test_a_job_of_which_nothing_is_known_changes_nothing() -> None:
    for job in (
        {"type": "process_recording", "task_id": "00000000-0000-4000-8000-000000000000"},
        {"type": "transcribe_part", "task_id": "nobody's", "part": 0},
        {"type": "merge_transcript", "task_id": "nobody's"},
        {"type": "transcript_ready", "job_name": "audio-nobody's"},
    ):
        do(job)
        give_up(job)
    assert announced() == received("JobsQueue") == []


def test_a_connection_that_drops_costs_another_request(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = audio.wav_bytes(rate=16000, channels=1, seconds=100.0)
    put_recording(recording)
    dropping = Dropping(every=700_000)
    with monkeypatch.context() as patch:
        patch.setattr(objects, "client", lambda: dropping)
        task_id = started(file_id="67890")
        do_jobs()
    assert ask_for_task(task_id).body["status"] == "SUCCESS"
    assert made(task_id, "audio.wav") == recording
    assert dropping.dropped >= 4


class Dropping:
    """An S3 whose connections are reset after so many bytes."""

    def __init__(self, every: int) -> None:
        self.dropped = 0
        self._every = every
        self._s3: Any = objects.client()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def get_object(self, **request: Any) -> Any:
        found = self._s3.get_object(**request)
        return {**found, "Body": Body(self, found["Body"].read(), self._every)}


@dataclass
class Body:
    s3: Dropping
    data: bytes
    whole: int

    def iter_chunks(self, _: int) -> Iterator[bytes]:
        if self.whole:
            yield self.data[: self.whole]
        if len(self.data) > self.whole:
            self.s3.dropped += 1
            raise ResponseStreamingError(error="connection reset")


def test_a_connection_that_always_drops_fails_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    put_recording(RECORDING)
    task_id = started(file_id="67890")
    dropping = Dropping(every=0)
    with monkeypatch.context() as patch:
        patch.setattr(objects, "client", lambda: dropping)
        [job] = received("JobsQueue")
        with pytest.raises(ResponseStreamingError):
            do(job)
    assert kept(task_id).last_failure == "ResponseStreamingError"
    do(job)
    assert ask_for_task(task_id).body["attempts"] == 2


@pytest.mark.usefixtures("_parts")
def test_a_part_that_is_given_up_is_left_out_of_the_transcript(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_recording(RECORDING)
    task_id = started(file_id="67890")
    do(*received("JobsQueue"))
    first, second = received("JobsQueue")
    do(first)
    give_up(second)
    task = finished(task_id)
    assert task["status"] == "SUCCESS"
    assert task["result"]["warnings"] == ["From 0.5 s to 1.0 s the recording was not transcribed"]
    assert task["result"]["recogniser"] == "pocketsphinx"


@pytest.mark.usefixtures("_parts")
def test_without_any_part_the_rest_is_kept() -> None:
    put_recording(RECORDING)
    task_id = started(file_id="67890")
    do(*received("JobsQueue"))
    for job in received("JobsQueue"):
        give_up(job)
    task = finished(task_id)
    assert task["status"] == "SUCCESS"
    assert len(task["result"]["warnings"]) == 2
    assert task["result"]["urls"]["transcript"] is None
    assert made(task_id, "audio.wav")


@pytest.mark.usefixtures("_parts")
def test_a_transcript_that_cannot_be_put_together_costs_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_recording(RECORDING)
    task_id = started(file_id="67890")
    do(*received("JobsQueue"))
    for job in received("JobsQueue"):
        give_up(job)
    [merge] = received("JobsQueue")
    give_up(merge)
    task = ask_for_task(task_id).body
    assert task["status"] == "SUCCESS"
    assert task["result"]["warnings"] == [
        "The recording was not transcribed (last failure: the worker ended)"
    ]


@pytest.mark.usefixtures("_transcribe")
def test_amazon_transcribe_is_started_once_and_finished_by_its_event() -> None:
    put_recording(RECORDING)
    task_id = started(file_id="67890")
    [job] = received("JobsQueue")
    for _ in range(2):
        do(job)
    assert ask_for_task(task_id).body["progress"]["phase"] == "transcribing"
    job_name = f"{settings.processing().transcription_job_prefix}{task_id}"
    described = boto3.client("transcribe").get_transcription_job(TranscriptionJobName=job_name)
    assert described["TranscriptionJob"]["LanguageCode"] == "en-US"
    uri = described["TranscriptionJob"]["Media"]["MediaFileUri"]
    assert uri == f"s3://{bucket()}/processing/{task_id}/audio.wav"

    put_output(task_id)
    for _ in range(2):
        do({"type": "transcript_ready", "job_name": job_name})
    result = ask_for_task(task_id).body["result"]
    assert (result["recogniser"], result["text"]) == ("transcribe", "Hello.")
    assert b"Hello." in made(task_id, "transcript.vtt")
    assert len({event["event_id"] for event in announced()}) == 1


def put_output(task_id: str) -> None:
    """What Amazon Transcribe writes."""
    word = {
        "type": "pronunciation",
        "start_time": "0.1",
        "end_time": "0.5",
        "alternatives": [{"content": "Hello", "confidence": "0.99"}],
    }
    stop = {"type": "punctuation", "alternatives": [{"content": ".", "confidence": "0.0"}]}
    output = {"results": {"transcripts": [{"transcript": "Hello."}], "items": [word, stop]}}
    key = f"processing/{task_id}/transcript/amazon.json"
    objects.client().put_object(Bucket=bucket(), Key=key, Body=json.dumps(output).encode())


@pytest.mark.usefixtures("_transcribe")
def test_a_transcription_that_amazon_could_not_do_costs_nothing_else() -> None:
    put_recording(RECORDING)
    task_id = started(file_id="67890")
    do_jobs()
    job_name = f"{settings.processing().transcription_job_prefix}{task_id}"
    with Stubber(amazon.client()) as stub:
        reason = "The media format provided does not match the detected media format."
        job = {"TranscriptionJobStatus": "FAILED", "FailureReason": reason}
        stub.add_response("get_transcription_job", {"TranscriptionJob": job})
        do({"type": "transcript_ready", "job_name": job_name})
    task = ask_for_task(task_id).body
    assert task["status"] == "SUCCESS"
    assert task["result"]["warnings"] == [f"The recording was not transcribed: {reason}"]


@pytest.mark.usefixtures("_transcribe")
def test_a_result_of_amazons_that_is_never_readable_costs_nothing_else() -> None:
    put_recording(RECORDING)
    task_id = started(file_id="67890")
    do_jobs()
    job_name = f"{settings.processing().transcription_job_prefix}{task_id}"
    ready = {"type": "transcript_ready", "job_name": job_name}
    with pytest.raises(objects.client().exceptions.NoSuchKey):
        do(ready)
    give_up(ready)
    [warning] = ask_for_task(task_id).body["result"]["warnings"]
    assert warning == "The recording was not transcribed (last failure: NoSuchKey)"


def test_a_finished_session_becomes_memories_of_its_own_id() -> None:
    samples = audio.pcm(rate=16000, channels=1, seconds=1.0)
    session_id = sessions.connect(principal=OWNER, sample_rate="16000")["session_id"]
    sessions.say(sessions.audio(samples, 0))
    sessions.say(sessions.CLOSE)
    for job in received("JobsQueue"):
        assembly.assemble_session(job["session_id"])
    task = finished(session_id)
    assert (task["status"], task["file_id"]) == ("SUCCESS", session_id)
    assert task["result"]["memory_id"] == session_id
    assert audio.samples_of(made(session_id, "audio.wav")) == samples
    window = objects.read(bucket(), f"sessions/{session_id}/window_000/audio.wav")
    assert audio.samples_of(window) == samples


def test_an_anonymous_session_belongs_to_nobody_who_could_ask_for_memories() -> None:
    session_id = sessions.connect(sample_rate="16000")["session_id"]
    sessions.say(sessions.audio(audio.pcm(rate=16000, channels=1, seconds=0.2), 0))
    sessions.say(sessions.CLOSE)
    for job in received("JobsQueue"):
        assembly.assemble_session(job["session_id"])
    assert received("JobsQueue") == []
    assert ask_for_task(session_id).status == 404


def test_a_sessions_m4a_may_have_as_much_disk_as_the_worker_has(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outcome(storage_mb: str) -> Any:
        monkeypatch.setenv("WORKER_STORAGE_MB", storage_mb)
        settings.worker.cache_clear()
        received("NotificationsQueue")
        session_id = sessions.connect(sample_rate="44100")["session_id"]
        sessions.say(sessions.audio(recording, 0))
        sessions.say(sessions.CLOSE)
        for job in received("JobsQueue"):
            assembly.assemble_session(job["session_id"])
        return sessions.kept(session_id)

    free = (8).to_bytes(4, "big") + b"free" + (1_500_000).to_bytes(4, "big") + b"free"
    recording = audio.encoded("mp4", seconds=1.0) + free + bytes(1_500_000 - 8)
    assert "1048576 bytes" in outcome("33").error
    assert outcome("512").error is None


def test_a_sessions_file_may_be_larger_than_a_recording(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_FILE_SIZE_MB", "1")
    settings.processing.cache_clear()
    key = "audio_sessions/00000000-0000-4000-8000-000000000001.wav"
    body = audio.wav(bytes(2 * 1024 * 1024), rate=16000, channels=1)
    objects.client().put_object(Bucket=bucket(), Key=key, Body=body)
    session_id = key[15:-4]
    do({**SESSION_JOB, "session_id": session_id, "key": key})
    task = finished(session_id)
    assert (task["status"], task["result"]["windows"]) == ("SUCCESS", 3)


def test_a_session_whose_job_failed_too_often_has_a_task_that_says_so() -> None:
    give_up(SESSION_JOB)
    task = ask_for_task(SESSION_JOB["session_id"]).body
    assert task["status"] == "FAILURE"
    assert "the worker ended" in task["error"]
