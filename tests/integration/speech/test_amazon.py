"""Amazon Transcribe as it is documented: jobs against moto, answers that moto hasn't by Stubber."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from audioapi.speech import amazon
from audioapi.speech.transcript import Word

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULT = Path(__file__).with_name("transcribe_result.json")
JOB = ("task-1", "s3://audio/recordings/u/a.wav", "audio", "transcripts/task-1.json")


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    amazon.client.cache_clear()
    with mock_aws():
        yield
    amazon.client.cache_clear()


def result() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(RESULT.read_text())
    return read


def test_a_job_is_started_once_however_often_it_is_asked_for() -> None:
    amazon.start(*JOB)
    amazon.start(*JOB)
    [job] = amazon.client().list_transcription_jobs()["TranscriptionJobSummaries"]
    assert job["TranscriptionJobName"] == "task-1"
    assert job["LanguageCode"] == "en-US"
    assert amazon.failure_reason("task-1") is None


@pytest.mark.parametrize(
    ("language", "asked"),
    [("de-DE", {"LanguageCode": "de-DE"}), (None, {"IdentifyLanguage": True})],
)
def test_transcribe_gets_what_the_job_is(language: str | None, asked: dict[str, Any]) -> None:
    expected = {
        "TranscriptionJobName": "task-1",
        "Media": {"MediaFileUri": "s3://audio/recordings/u/a.wav"},
        "OutputBucketName": "audio",
        "OutputKey": "transcripts/task-1.json",
        **asked,
    }
    with Stubber(amazon.client()) as answers:
        answers.add_response("start_transcription_job", {}, expected)
        amazon.start(*JOB, language=language)
        answers.assert_no_pending_responses()


def test_what_may_pass_is_left_to_the_caller_to_try_again() -> None:
    with Stubber(amazon.client()) as answers:
        answers.add_client_error("start_transcription_job", "LimitExceededException")
        with pytest.raises(ClientError, match="LimitExceededException"):
            amazon.start(*JOB)


def test_a_failed_job_says_why() -> None:
    reason = "Invalid file size: file size too large"
    job = {"TranscriptionJobStatus": "FAILED", "FailureReason": reason}
    with Stubber(amazon.client()) as answers:
        answers.add_response("get_transcription_job", {"TranscriptionJob": job})
        assert amazon.failure_reason("task-1") == reason


def test_a_result_becomes_utterances_of_words_with_their_punctuation() -> None:
    heard = amazon.read(result(), language="en-US")
    assert [utterance.text for utterance in heard.utterances] == [
        "I've been on hold for an hour.",
        "Sorry about that, Mr.",
        "Brown",
        "it's 3.5",
    ]
    assert heard.text == result()["results"]["transcripts"][0]["transcript"]
    assert [(said.start, said.end) for said in heard.utterances] == [
        (4.87, 6.88),
        (8.49, 9.9),
        (10.0, 10.4),
        (12.0, 12.9),
    ]
    assert heard.utterances[0].words[-1] == Word("hour.", 6.26, 6.88, 0.871)
    assert (heard.recogniser, heard.version, heard.language) == ("transcribe", None, "en-US")


def test_the_language_it_found_is_the_one_that_counts() -> None:
    found = result()
    found["results"]["language_code"] = "en-GB"
    assert amazon.read(found).language == "en-GB"


def test_a_silent_recording_has_an_empty_transcript() -> None:
    silent = {"jobName": "task-1", "results": {"transcripts": [{"transcript": ""}], "items": []}}
    assert amazon.read(silent).utterances == ()
