"""The analysis of a recording as it goes on: its events, its end, and Amazon Transcribe's part."""

from __future__ import annotations

import itertools
import json
import secrets
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from audioapi import objects, settings
from audioapi.analysis import metrics
from audioapi.analysis.recognition import transcribed
from audioapi.analysis.recorded import service
from audioapi.analysis.recorded.intake import Sent
from audioapi.forms import FormFile
from audioapi.problems import AnalysisFailureError, NoUtterancesError, UnsupportedMediaError
from audioapi.speech import amazon
from tests import audio
from tests.integration.audioapi.analysis import analysis_calls
from tests.integration.audioapi.analysis.analysis_calls import CALLER
from tests.integration.speech import sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audioapi.analysis.models import Analysis, Event
    from local.template.model import Stack

RESULT = Path("tests/integration/speech/transcribe_result.json").read_bytes()
PAUSE = sample.silence(1)
TALK = audio.wav((sample.speech() + PAUSE) * 3, rate=16_000, channels=1)
PDF = b"%PDF-1.7 and so on"


@pytest.fixture(autouse=True)
def _settings(stack: Stack) -> Iterator[None]:
    settings.analysis.cache_clear()
    yield
    settings.analysis.cache_clear()


@pytest.fixture
def _transcribe(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSCRIBER", "transcribe")
    monkeypatch.setattr(transcribed, "_POLL_SECONDS", 0.0)


def source(data: bytes) -> Sent:
    return Sent(FormFile("file", "call.wav", len(data), BytesIO(data)))


def analysed(data: bytes) -> tuple[list[Event], Analysis]:
    events = []
    work = service.analyse(CALLER, source(data))
    while True:
        try:
            events.append(next(work))
        except StopIteration as end:
            return events, end.value


def names(events: list[Event]) -> list[str]:
    return [event.type.value for event in events]


def test_events_begin_with_a_status_and_end_with_done() -> None:
    events, analysis = analysed(TALK)
    told = names(events)
    assert told[:2] == ["status", "status"]
    assert told[-3:] == ["summary_update", "status", "done"]
    phases = [event.data["phase"] for event in events if event.type == "status"]
    assert (phases[0], phases[1], phases[-1]) == ("starting", "processing", "completed")
    said = [event.data["utterance_id"] for event in events if event.type == "final_transcript"]
    assert (
        said
        == [it.utterance_id for it in analysis.timeline]
        == ["utt_0001", "utt_0002", "utt_0003"]
    )
    assert events[-1].data == {"conversation_id": analysis.conversation_id}
    assert json.loads(json.dumps([event.data for event in events]))


def test_progress_grows_to_one() -> None:
    events, _ = analysed(TALK)
    progress = [event.data["progress"] for event in events if "progress" in event.data]
    assert progress[0] == 0.0
    assert progress[-1] == 1.0
    assert all(before < after for before, after in itertools.pairwise(progress))
    assert len(progress) >= 4


def test_artifacts_are_there_before_done() -> None:
    for event in service.stream(CALLER, source(TALK)):
        if event.type == "done":
            names = {key.rpartition("/")[2] for key in analysis_calls.kept()}
            assert names == {"upload.wav", "timeline.json", "agent_outputs.json"}


def test_the_summary_is_told_as_it_is_answered() -> None:
    events, analysis = analysed(TALK)
    [told] = [event.data for event in events if event.type == "summary_update"]
    answered = analysis.model_dump(include={"summary", "insights", "segmentation"})
    assert told == answered


@pytest.mark.parametrize(
    ("data", "problem", "code"),
    [
        (audio.wav(sample.silence(2), rate=16_000, channels=1), NoUtterancesError, "NO_UTTERANCES"),
        (PDF, UnsupportedMediaError, "UNSUPPORTED_MEDIA"),
    ],
    ids=["silence", "no audio"],
)
def test_a_failure_is_raised_or_told(data: bytes, problem: type[Exception], code: str) -> None:
    with pytest.raises(problem):
        analysed(data)
    events = list(service.stream(CALLER, source(data)))
    assert names(events)[-2:] == ["error", "done"]
    assert events[-2].data["code"] == code
    assert events[-2].data["message"]
    assert analysis_calls.kept() == []


def test_who_leaves_early_leaves_nothing_behind() -> None:
    events = service.stream(CALLER, source(TALK))
    while next(events).type != "final_transcript":
        pass
    events.close()
    assert analysis_calls.kept() == []


def test_events_are_counted_however_it_ends() -> None:
    events = [*service.stream(CALLER, source(TALK)), *service.stream(CALLER, source(PDF))]
    counted = metrics.snapshot().as_json()["events"]
    assert counted == {name: names(events).count(name) for name in counted}


@pytest.mark.usefixtures("_transcribe")
def test_amazon_transcribe_hears_the_whole_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _: "1" * 32)
    folder = f"artifacts/conv_{'1' * 32}"
    bucket = settings.analysis().audio_bucket
    objects.put(bucket, f"{folder}/transcript.json", RESULT, content_type="application/json")
    _, analysis = analysed(TALK)
    job = amazon.client().get_transcription_job(TranscriptionJobName=analysis.conversation_id)
    media = job["TranscriptionJob"]["Media"]["MediaFileUri"]
    assert media == f"s3://{bucket}/{analysis.upload_path}"
    words = [it["alternatives"][0]["content"] for it in json.loads(RESULT)["results"]["items"]]
    assert words[0] in analysis.timeline[0].text
    [agent] = [it for it in analysis.agent_results if it.agent == "transcript"]
    assert agent.analyser
    assert agent.analyser.name == "transcribe"


@pytest.mark.usefixtures("_transcribe")
def test_why_amazon_transcribe_failed_is_told() -> None:
    job: Any = {"TranscriptionJobStatus": "FAILED", "FailureReason": "Unsupported audio format"}
    reason = "^Analysis failed: transcribe: Unsupported audio format$"
    with Stubber(amazon.client()) as answers:
        answers.add_response("start_transcription_job", {})
        answers.add_response("get_transcription_job", {"TranscriptionJob": job})
        with pytest.raises(AnalysisFailureError, match=reason):
            analysed(TALK)


@pytest.mark.usefixtures("_transcribe")
def test_amazon_transcribe_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_STREAM_SECONDS", 0.0)
    with pytest.raises(AnalysisFailureError, match="takes too long"):
        analysed(TALK)


@pytest.mark.usefixtures("_transcribe")
def test_what_is_no_audio_is_not_worth_a_job() -> None:
    with pytest.raises(UnsupportedMediaError):
        analysed(PDF)
    assert amazon.client().list_transcription_jobs()["TranscriptionJobSummaries"] == []
    assert analysis_calls.kept() == []
