"""What an outage left undone is tried again from a shell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from audioapi import objects, settings
from audioapi.processing import service as processing
from audioapi.processing import store as tasks
from audioapi.processing.models import SessionFile
from audioapi.processing.models import Status as TaskStatus
from audioapi.streaming import assembly
from audioapi.streaming.models import Status
from local.command_line.console import Screen
from tests.audio import pcm, samples_of
from tests.integration.audioapi.sessions import CLOSE, audio, aws, connect, kept, received, say
from tools import recovery

if TYPE_CHECKING:
    from local.template.model import Stack

AUDIO = pcm(rate=16000, channels=1, seconds=0.2)
FILE = SessionFile(
    session_id="3f2b8c1e-6d4a-4b0f-9c57-2e8a1d0f7b36",
    organization_id="acme",
    user_id="alice",
    key="audio_sessions/one.wav",
    start_time=0,
)


@pytest.fixture
def session_id(stack: Stack) -> str:
    """A session with two chunks, closed, whose job hasn't been done."""
    made = str(connect(sample_rate="16000")["session_id"])
    for seq in range(2):
        say(audio(AUDIO, seq))
    say(CLOSE)
    received("JobsQueue")
    return made


def recover(*arguments: str) -> None:
    options = recovery.parser().parse_args(arguments)
    options.action(options, Screen())


def bucket() -> str:
    return settings.streaming().audio_bucket


def work() -> None:
    for job in received("JobsQueue"):
        assembly.assemble_session(job["session_id"])


def file(session_id: str) -> bytes:
    key = kept(session_id).file_path
    assert key is not None
    return samples_of(objects.read(bucket(), key))


def test_a_session_that_was_given_up_is_tried_again(session_id: str) -> None:
    assembly.give_up(session_id)
    recover("sessions", "reopen", session_id)
    work()
    assert kept(session_id).status is Status.COMPLETED
    assert file(session_id) == AUDIO * 2


def test_a_dry_run_says_it_and_does_nothing(
    session_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assembly.give_up(session_id)
    before = kept(session_id)
    recover("sessions", "reopen", "--dry-run", session_id)
    recover("sessions", "rebuild", "--dry-run", session_id)
    assert "not done" in capsys.readouterr().out
    assert (kept(session_id), received("JobsQueue")) == (before, [])


def test_a_file_that_is_gone_is_made_anew(session_id: str) -> None:
    assembly.assemble_session(session_id)
    key = kept(session_id).file_path
    assert key is not None
    objects.delete_many(bucket(), [key])
    received("JobsQueue")
    recover("sessions", "rebuild", session_id)
    work()
    assert file(session_id) == AUDIO * 2


@pytest.mark.parametrize("action", ["reopen", "rebuild"])
def test_what_needs_no_recovery_is_left_alone(session_id: str, action: str) -> None:
    with pytest.raises(recovery.RecoveryError, match=session_id):
        recover("sessions", action, session_id)
    with pytest.raises(recovery.RecoveryError, match="no such session"):
        recover("sessions", action, "unknown")


def test_without_its_chunks_no_file_is_made_anew(session_id: str) -> None:
    assembly.assemble_session(session_id)
    objects.delete_many(bucket(), list(objects.keys(bucket(), "chunks/")))
    with pytest.raises(recovery.RecoveryError, match="its chunks are gone"):
        recover("sessions", "rebuild", session_id)
    assert file(session_id) == AUDIO * 2


def test_a_task_that_failed_is_queued_again(stack: Stack) -> None:
    processing.add_session(FILE)
    with pytest.raises(recovery.RecoveryError, match="it hasn't failed"):
        recover("tasks", "retry", FILE.session_id)
    tasks.fail(FILE.session_id, "the database was away")
    recover("tasks", "retry", FILE.session_id)
    again = tasks.task(FILE.session_id)
    assert again is not None
    assert (again.status, again.error) == (TaskStatus.PENDING, None)
    [job] = received("JobsQueue")
    assert job == {"type": "process_recording", "task_id": FILE.session_id}
    with pytest.raises(recovery.RecoveryError, match="no such task"):
        recover("tasks", "retry", "unknown")


def test_a_delivery_that_is_none_is_named(stack: Stack) -> None:
    owner = ("--organization", "acme", "--user", "alice")
    with pytest.raises(recovery.RecoveryError, match="not found"):
        recover("deliveries", "replay", "wh_1", "dlv_1", *owner)


def test_dead_letters_are_listed_and_sent_back(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    sqs = aws("sqs")
    dead = next(q for q in recovery.dead_letters(None) if q.source_url.endswith("WebhooksQueue"))
    for number in range(12):
        sqs.send_message(QueueUrl=dead.url, MessageBody=json.dumps({"number": number}))
    recover("dead-letters", "list")
    assert f"12  {dead.name}" in capsys.readouterr().out
    recover("dead-letters", "redrive", "--dry-run", dead.name)
    recover("dead-letters", "redrive", dead.name)
    assert sorted(each["number"] for each in received("WebhooksQueue")) == [*range(12)]
    assert received(dead.name) == []
    with pytest.raises(recovery.RecoveryError, match="is none of"):
        recover("dead-letters", "redrive", "WebhooksQueue")


def test_a_deployment_is_found_by_its_stack(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the shapes that AWS documents: no deployment is to be had here."""

    class Fake:
        def describe_stack_resource(self, **asked: str) -> Any:
            assert asked["StackName"] == "audio"
            named = f"audio-{asked['LogicalResourceId']}-1AB2"
            return {"StackResourceDetail": {"PhysicalResourceId": named}}

        def get_function_configuration(self, **asked: str) -> Any:
            return {"Environment": {"Variables": {asked["FunctionName"]: "told"}}}

    monkeypatch.setattr(boto3, "client", lambda _: Fake())
    told = recovery.deployed("audio")
    assert told == {
        "audio-JobsWorkerFunction-1AB2": "told",
        "audio-WebhookDeliverFunction-1AB2": "told",
    }
