"""`POST /analyze`, as callers see it: the sample of speech, and everything that is none."""

from __future__ import annotations

import io
import json
import math
import random
import re
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from audioapi import settings
from audioapi.analysis import metrics
from audioapi.analysis.recorded import service
from audioapi.analysis.voice import prosody
from audioapi.identity import Principal
from audioapi.observe import logger
from audioapi.speech.live import LivePocketSphinx
from tests import audio
from tests.forms import CONTENT_TYPE, multipart
from tests.integration import ffmpegs
from tests.integration.audioapi import upload_calls
from tests.integration.audioapi.analysis import analysis_calls
from tests.integration.audioapi.analysis.analysis_calls import analyze, call
from tests.integration.speech import sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.template.model import Stack

SPEECH = Path("local/samples/speech.wav").read_bytes()


@pytest.fixture(autouse=True)
def _caller(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody but a test about it is told that it takes too long, however busy the machine is."""
    monkeypatch.setattr(service, "_REQUEST_SECONDS", math.inf)
    settings.analysis.cache_clear()
    analysis_calls.let_in()
    yield
    settings.analysis.cache_clear()


@pytest.fixture
def _pocketsphinx(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSCRIBER", "pocketsphinx")


def mono(pcm: bytes) -> bytes:
    return audio.wav(pcm, rate=16_000, channels=1)


def uploaded(data: bytes, file_name: str = "talk.wav") -> str:
    """The id of a direct upload, whole."""
    made = upload_calls.begin(len(data), file_name=file_name)
    upload_calls.send_all(made["upload_id"], data)
    assert upload_calls.call("upload_complete", made["upload_id"]).status == 200
    return str(made["upload_id"])


def direct(upload_id: str, **members: Any) -> analysis_calls.Answer:
    body = {"upload_id": upload_id, **members}
    return call("analyze", body=body, content_type="application/json")


@pytest.mark.usefixtures("_pocketsphinx")
def test_a_recording_is_analysed() -> None:
    answer = analyze(SPEECH, goal="Talk about money")
    assert answer.status == 200, answer.body
    told = answer.body
    assert told["utterances"] == len(told["timeline"]) >= 1
    first = told["timeline"][0]
    assert first["utterance_id"] == "utt_0001"
    assert first["speaker"] == "speaker_1"
    assert 0 <= first["t_start"] < first["t_end"] <= 7.2
    assert 0 < first["asr_confidence"] <= 1
    assert first["prosody"]["pitch_hz_mean"] > 50
    assert {"sentiment", "emotion", "cognitive"} <= set(first)
    heard = " ".join(it["text"] for it in told["timeline"])
    assert sample.word_error_rate(sample.SAID, heard) <= 0.4
    assert told["summary"]["overview"]
    assert told["insights"]["duration_seconds"] == pytest.approx(7.1, abs=0.1)
    assert told["segmentation"]["segments"]
    assert {it["status"] for it in told["agent_results"]} == {"ok"}
    assert told["warnings"] == []


@pytest.mark.usefixtures("_pocketsphinx")
def test_the_same_sound_gives_the_same_answer() -> None:
    said = mono(sample.speech()[2 * 16_000 : 3 * 2 * 16_000])

    def facts() -> Any:
        changing = ("conversation_id", "agent_results", "artifact_dir")
        paths = ("upload_path", "agent_outputs_path")
        told = analyze(said).body
        assert told["timeline"][0]["text"]
        return {name: it for name, it in told.items() if name not in (*changing, *paths)}

    assert facts() == facts()


def test_artifacts_are_kept_whole() -> None:
    told = analyze(SPEECH, "Our Call.WAV").body
    assert told["artifact_dir"] == f"artifacts/{told['conversation_id']}"
    assert told["upload_path"] == f"{told['artifact_dir']}/upload.wav"
    assert analysis_calls.stored(told["upload_path"]) == SPEECH
    timeline = json.loads(analysis_calls.stored(f"{told['artifact_dir']}/timeline.json"))
    assert timeline["timeline"] == told["timeline"]
    outputs = json.loads(analysis_calls.stored(told["agent_outputs_path"]))
    assert outputs["agent_results"] == told["agent_results"]
    assert outputs["segmentation"] == told["segmentation"]


@pytest.mark.parametrize("name", ["call", "call.", "../../call.w/av", "call.wav\x00", "x.мп3"])
def test_a_name_never_leads_out_of_the_folder(name: str) -> None:
    told = analyze(SPEECH, name).body
    assert told["upload_path"] == f"{told['artifact_dir']}/upload"


def test_two_channels_are_two_speakers() -> None:
    first, silent = sample.speech(), bytes(len(sample.speech()))
    left, right = first + silent, silent + first
    both = b"".join(left[at : at + 2] + right[at : at + 2] for at in range(0, len(left), 2))
    told = analyze(audio.wav(both, rate=16_000, channels=2)).body
    assert [it["speaker"] for it in told["timeline"]] == ["speaker_1", "speaker_2"]
    assert [it["kind"] for it in told["transitions"]] == ["speaker"]


def test_without_a_transcriber_there_are_utterances_without_words() -> None:
    told = analyze(SPEECH).body
    assert {it["text"] for it in told["timeline"]} == {""}
    statuses = {it["agent"]: it["status"] for it in told["agent_results"]}
    assert (statuses["transcript"], statuses["sentiment"]) == ("skipped", "skipped")
    assert "emotion" not in told["timeline"][0]


def test_a_direct_upload_is_analysed_where_it_is() -> None:
    answer = direct(uploaded(SPEECH), goal="  ")
    assert answer.status == 200, answer.body
    assert answer.body["upload_path"].startswith("recordings/")
    assert f"{answer.body['artifact_dir']}/upload.wav" not in analysis_calls.kept()


def test_somebody_elses_upload_is_none() -> None:
    upload_id = uploaded(SPEECH)
    analysis_calls.let_in("other", Principal("u-2", "acme"))
    answer = call(
        "analyze", key="other", body={"upload_id": upload_id}, content_type="application/json"
    )
    assert (answer.status, answer.body["code"]) == (404, "NOT_FOUND")
    assert direct("../secrets").status == 404


def test_an_upload_that_is_not_completed_is_a_conflict() -> None:
    answer = direct(upload_calls.begin(10)["upload_id"])
    assert (answer.status, answer.body["code"]) == (409, "CONFLICT")
    assert answer.body["upload_status"] == "uploading"


@pytest.mark.parametrize(
    "sound",
    [
        audio.wav(sample.speech() * 7, rate=16_000, channels=1),
        audio.encoded("adts", "-c:a", "aac", "-b:a", "16k", rate=16_000, seconds=50.0),
        audio.encoded("matroska", "-c:a", "flac", rate=8_000, seconds=50.0),
    ],
    ids=["wav", "aac", "matroska"],
)
def test_a_long_recording_is_sent_to_where_there_is_time(sound: bytes) -> None:
    answer = analyze(sound, query="token=abc")
    assert answer.status == 307
    url = settings.analysis_stream().analysis_stream_url
    assert answer.headers["Location"] == f"{url}analyze?token=abc"
    assert analysis_calls.kept() == []


def test_transcribe_needs_time_whatever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSCRIBER", "transcribe")
    assert analyze(SPEECH).status == 307


def noise(volume: int) -> bytes:
    """Three seconds, all frequencies alike."""
    samples = random.Random(volume)
    return array("h", (samples.randint(-volume, volume) for _ in range(48_000))).tobytes()


@pytest.mark.usefixtures("_pocketsphinx")
@pytest.mark.parametrize(
    "sound",
    [sample.silence(3), noise(3), noise(3000), sample.tone(3)],
    ids=["silence", "hiss", "noise", "tone"],
)
def test_nobody_speaks(sound: bytes) -> None:
    answer = analyze(mono(sound))
    assert (answer.status, answer.body["code"]) == (400, "NO_UTTERANCES")
    assert answer.body["detail"] == "No utterances detected in uploaded media"
    assert analysis_calls.kept() == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "INVALID_REQUEST"),
        (b"%PDF-1.7 and so on", "UNSUPPORTED_MEDIA"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "UNSUPPORTED_MEDIA"),
        (b"\x00\x00\x00\x20ftypisom" + bytes(500), "UNSUPPORTED_MEDIA"),
        (SPEECH[:20], "UNSUPPORTED_MEDIA"),
    ],
    ids=["empty", "pdf", "playlist", "mp4 without a track", "a header's beginning"],
)
def test_what_is_no_audio_is_refused(data: bytes, code: str) -> None:
    answer = analyze(data)
    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, code, "file")
    assert analysis_calls.kept() == []


def test_a_file_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_FILE_SIZE_MB", "1")
    answer = analyze(SPEECH * 5)
    assert (answer.status, answer.body["code"]) == (400, "FILE_TOO_LARGE")


@pytest.mark.parametrize(
    ("body", "content_type", "field"),
    [
        (multipart(("goal", None, b"x")), CONTENT_TYPE, "file"),
        (multipart(("file", "a.wav", SPEECH), ("file", "b.wav", SPEECH)), CONTENT_TYPE, "file"),
        (multipart(("file", "a.wav", SPEECH), ("goal", None, b"x" * 1001)), CONTENT_TYPE, "goal"),
        (b"RIFF", "audio/wav", "Content-Type"),
        (b"{", "application/json", "body"),
        (b"[]", "application/json", "body"),
        (b"{}", "application/json; charset=utf-8", "upload_id"),
        (b'{"upload_id": 7}', "application/json", "upload_id"),
        (b"", "", "Content-Type"),
    ],
)
def test_what_is_wrong_is_named(body: bytes, content_type: str, field: str) -> None:
    answer = call("analyze", body=body, content_type=content_type)
    assert (answer.status, answer.body["code"]) == (400, "INVALID_REQUEST")
    assert answer.body["field"] == field


def test_it_needs_a_key_that_may_write() -> None:
    assert call("analyze", key=None).status == 401
    analysis_calls.let_in("reader", Principal("u-1", "acme", ("read",)))
    assert call("analyze", key="reader").status == 403


def test_an_analyser_that_fails_costs_its_own_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(prosody, "prosody", broken)
    answer = analyze(SPEECH)
    assert answer.status == 200
    assert {json.dumps(it["prosody"]) for it in answer.body["timeline"]} == {"{}"}
    [failed] = [it for it in answer.body["agent_results"] if it["status"] == "failed"]
    assert failed["agent"] == "prosody"
    assert "ZeroDivisionError" in failed["detail"]


@pytest.mark.usefixtures("_pocketsphinx")
def test_a_recogniser_that_dies_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: Any) -> Any:
        raise RuntimeError("/opt/model: no such file")

    monkeypatch.setattr(LivePocketSphinx, "begin", dies)
    answer = analyze(SPEECH)
    assert (answer.status, answer.body["code"]) == (500, "ANALYSIS_FAILURE")
    assert answer.body["detail"] == "Analysis failed: pocketsphinx: RuntimeError"
    assert analysis_calls.kept() == []


def test_sound_that_is_lost_is_a_failure_with_both_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FFMPEG_PATH", str(ffmpegs.breaking_off(tmp_path, samples=16_000)))
    answer = analyze(SPEECH)
    assert (answer.status, answer.body["code"]) == (500, "ANALYSIS_FAILURE")
    told = r"^Analysis failed: 7\.100 s were decoded, but what came out has 0\.99\d s$"
    assert re.match(told, answer.body["detail"])
    assert analysis_calls.kept() == []


def test_what_takes_too_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_REQUEST_SECONDS", -1.0)
    answer = analyze(mono(sample.speech() + sample.silence(1)))
    assert (answer.status, answer.body["code"]) == (500, "ANALYSIS_FAILURE")
    assert "send it in parts" in answer.body["detail"]


def test_a_damaged_file_says_what_is_missing() -> None:
    answer = analyze(SPEECH[: len(SPEECH) * 3 // 4])
    assert answer.status == 200
    assert answer.body["warnings"]


def test_every_line_is_about_its_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    [handler] = logger.handlers
    monkeypatch.setattr(handler, "stream", written)
    told = analyze(SPEECH).body
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["message"] for line in lines] == [
        f"[{told['conversation_id']}] analysis begins",
        f"[{told['conversation_id']}] analysis ends",
    ]


def test_analyses_are_counted() -> None:
    told = analyze(SPEECH).body
    counted = metrics.snapshot().as_json()["agent_latency_ms"]
    assert counted["prosody"]["count"] == told["utterances"]
    assert counted["summary"]["count"] == 1
