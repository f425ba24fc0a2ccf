"""Each result of processing against a reference of its own: what a caller gets is what is there."""

from __future__ import annotations

import io
import json
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import webvtt

from audioapi import database, identity, objects, settings
from audioapi.identity import Principal
from audioapi.memories.models import WorldMMSegment
from audioapi.speech import parts
from tests import audio
from tests.integration.audioapi.processing_calls import (
    bucket,
    finished,
    made,
    put_recording,
    started,
)

if TYPE_CHECKING:
    from local.template.model import Stack

SPEECH = Path("local/samples/speech.wav").read_bytes()

pytestmark = pytest.mark.usefixtures("database_secret")


@pytest.fixture(autouse=True)
def _caller(stack: Stack) -> None:
    identity.put_api_key("dev-key", Principal("dev-user", "acme-corp"))


@pytest.fixture
def _pocketsphinx(monkeypatch: pytest.MonkeyPatch, stack: Stack) -> None:
    monkeypatch.setenv("TRANSCRIBER", "pocketsphinx")
    settings.processing.cache_clear()


def processed(data: bytes, name: str = "67890.m4a") -> Any:
    put_recording(data, name)
    task = finished(started(file_name=name))
    assert (task["status"], task["error"]) == ("SUCCESS", None)
    return task


def sine(*, rate: int, channels: int, seconds: float, dbfs: float, hertz: float = 997) -> bytes:
    """Interleaved s16le, the same in each channel, `dbfs` its peak."""
    at = np.arange(round(rate * seconds)) / rate
    one = 32767 * 10 ** (dbfs / 20) * np.sin(2 * np.pi * hertz * at)
    return np.repeat(np.round(one).astype("<i2"), channels).tobytes()


def rows(memory_id: str) -> list[WorldMMSegment]:
    return database.transaction(
        lambda session: (
            session.query(WorldMMSegment)
            .filter_by(source_session_id=memory_id)
            .order_by(WorldMMSegment.source_window_index)
            .all()
        )
    )


def test_the_audio_is_the_recordings_at_16_khz_in_mono_sample_by_sample() -> None:
    samples = audio.pcm(rate=16000, channels=1, seconds=3.0)
    task = processed(audio.wav(samples, rate=16000, channels=1))
    assert audio.samples_of(made(task["task_id"], "audio.wav")) == samples
    assert task["result"]["duration_seconds"] == 3.0


def test_the_source_is_described_as_it_came() -> None:
    mp3 = audio.encoded("mp3", rate=44100, channels=2, seconds=2.0)
    source = processed(mp3, "talk.mp3")["result"]["source"]
    assert source["sample_rate"] == 44100
    assert source["channels"] == 2
    assert source["size_bytes"] == len(mp3)
    assert source["container"] == "mp3"


@pytest.mark.parametrize("dbfs", [-23.0, -33.0])
def test_loudness_of_the_signals_that_the_ebu_measures_meters_with(dbfs: float) -> None:
    """EBU Tech 3341, cases 1 and 2: a stereo sine of 1 kHz, 20 s, within 0.1 LU of its level."""
    tone = sine(rate=48000, channels=2, seconds=20, dbfs=dbfs, hertz=1000)
    result = processed(audio.wav(tone, rate=48000, channels=2))["result"]
    assert result["loudness"]["integrated_lufs"] == pytest.approx(dbfs, abs=0.1)
    assert result["loudness"]["true_peak_dbtp"] == pytest.approx(dbfs, abs=0.3)
    assert result["loudness"]["range_lu"] == pytest.approx(0, abs=0.1)


def test_loudness_range_of_the_signal_that_the_ebu_measures_meters_with() -> None:
    """EBU Tech 3342, case 1: 20 s at -20 dBFS, 20 s at -30 dBFS; 10 LU, give or take one."""
    levels = (sine(rate=48000, channels=2, seconds=20, dbfs=dbfs) for dbfs in (-20.0, -30.0))
    result = processed(audio.wav(b"".join(levels), rate=48000, channels=2))["result"]
    assert result["loudness"]["range_lu"] == pytest.approx(10, abs=1)
    kept = json.loads(made(result_id(result), "loudness.json"))
    assert kept["range_lu"] == result["loudness"]["range_lu"]


def result_id(result: Any) -> str:
    """The task's id, as the results' addresses have it."""
    path: str = result["urls"]["loudness"]
    return path.partition("/processing/")[2].partition("/")[0]


def test_the_waveform_has_the_peaks_that_a_plain_loop_finds() -> None:
    task = processed(audio.wav_bytes(rate=16000, channels=1, seconds=2.5))
    samples = array("h", audio.samples_of(made(task["task_id"], "audio.wav")))
    waveform = json.loads(made(task["task_id"], "waveform.json"))
    assert (waveform["version"], waveform["channels"]) == (2, 1)
    assert waveform["sample_rate"] == 16000
    assert waveform["length"] * 2 == len(waveform["data"])
    each = waveform["samples_per_pixel"]
    scale = 1 if waveform["bits"] == 16 else 256
    expected = []
    for start in range(0, len(samples), each):
        pixel = samples[start : start + each]
        expected += [min(pixel) // scale, max(pixel) // scale]
    assert waveform["data"] == pytest.approx(expected, abs=1)


def test_the_silences_are_where_nothing_is_to_be_heard() -> None:
    tone = sine(rate=16000, channels=1, seconds=2, dbfs=-12)
    recording = tone + bytes(2 * 16000 * 3) + tone
    task = processed(audio.wav(recording, rate=16000, channels=1))
    assert task["result"]["silence_seconds"] == pytest.approx(3, abs=0.2)
    silences = json.loads(made(task["task_id"], "silences.json"))
    [silence] = silences["silences"]
    assert silence["start"] == pytest.approx(2, abs=0.1)
    assert silence["end"] == pytest.approx(5, abs=0.1)


def test_silence_has_no_loudness() -> None:
    result = processed(audio.wav(bytes(2 * 16000 * 2), rate=16000, channels=1))["result"]
    assert result["silence_seconds"] == pytest.approx(2, abs=0.05)
    assert result["loudness"]["integrated_lufs"] is None


def test_a_recording_becomes_memories_the_last_of_them_short(stack: Stack) -> None:
    samples = audio.pcm(rate=16000, channels=1, seconds=1.0) * 70
    result = processed(audio.wav(samples, rate=16000, channels=1))["result"]
    windows = rows(result["memory_id"])
    assert result["windows"] == len(windows) == 3
    assert [window.processing_status for window in windows] == ["complete"] * 3
    assert [window.duration_seconds for window in windows] == [30, 30, 10]
    played = b"".join(
        audio.samples_of(
            objects.read(bucket(), f"sessions/{result['memory_id']}/window_{index:03d}/audio.wav")
        )
        for index in range(3)
    )
    assert played == samples


def test_the_same_file_is_one_memory_however_often_it_is_processed() -> None:
    recording = audio.wav_bytes(rate=16000, channels=1, seconds=1.0)
    first, second = processed(recording), processed(recording)
    assert first["task_id"] != second["task_id"]
    assert first["result"]["memory_id"] == second["result"]["memory_id"]
    assert len(rows(first["result"]["memory_id"])) == 1


def test_without_a_transcriber_there_is_no_transcript() -> None:
    result = processed(SPEECH)["result"]
    assert result["recogniser"] is None
    assert result["text"] is None
    assert {result["urls"][name] for name in ("transcript", "srt", "vtt")} == {None}


@pytest.mark.usefixtures("_pocketsphinx")
def test_speech_is_transcribed_in_words_with_times_and_subtitles() -> None:
    task = processed(SPEECH)
    result, task_id = task["result"], task["task_id"]
    assert result["recogniser"] == "pocketsphinx"
    assert "leisure" in result["text"]
    transcript = json.loads(made(task_id, "transcript.json"))
    words = [word for said in transcript["utterances"] for word in said["words"]]
    assert " ".join(word["text"] for word in words) == result["text"]
    assert result["words"] == len(words)
    assert all(0 <= word["start"] < word["end"] <= 7.2 for word in words)
    assert [word["start"] for word in words] == sorted(word["start"] for word in words)

    vtt = webvtt.from_string(made(task_id, "transcript.vtt").decode())
    srt = webvtt.from_buffer(io.StringIO(made(task_id, "transcript.srt").decode()), format="srt")
    for captions in (vtt.captions, srt.captions):
        assert " ".join(caption.text for caption in captions).split() == result["text"].split()
    [memory] = rows(result["memory_id"])
    assert memory.transcript == result["text"]


@pytest.mark.usefixtures("_pocketsphinx")
def test_a_long_recording_is_transcribed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = parts.plan
    monkeypatch.setattr(parts, "plan", lambda seconds, silences: plan(seconds, silences, 4.0))
    said = audio.samples_of(SPEECH)[2 * 16000 : 3 * 2 * 16000]
    twice = said + bytes(2 * 16000 * 3) + said
    task = processed(audio.wav(twice, rate=16000, channels=1), "twice.wav")
    assert task["progress"] == {
        "phase": "finished",
        "transcript_parts": 2,
        "transcript_parts_done": 2,
    }
    assert task["result"]["text"].split().count("leisure") == 2


def test_results_are_fetched_from_addresses_that_are_signed_when_they_are_asked_for() -> None:
    task = processed(audio.wav_bytes(rate=16000, channels=1, seconds=1.0))
    for name, url in task["result"]["urls"].items():
        if url is not None:
            assert f"/processing/{task['task_id']}/{name}." in url
            assert "X-Amz-Expires=3600" in url


def test_what_damage_took_is_told_and_the_rest_is_kept() -> None:
    flac = audio.encoded("flac", rate=16000, channels=1, seconds=4.0)
    broken = flac[: len(flac) // 2] + bytes(2000) + flac[len(flac) // 2 + 2000 :]
    result = processed(broken)["result"]
    assert result["warnings"]
    assert 0 < result["duration_seconds"] < 4.0
    assert result["lost_seconds"] == pytest.approx(4.0 - result["duration_seconds"])


def test_of_a_whole_recording_nothing_is_lost() -> None:
    assert processed(audio.encoded("ipod", seconds=2.0))["result"]["lost_seconds"] == 0


def test_where_nothing_tells_how_much_is_lost_it_is_not_told_either() -> None:
    webm = audio.encoded("webm", "-c:a", "libopus", "-live", "1", seconds=2.0)
    result = processed(webm[: len(webm) // 2])["result"]
    assert result["warnings"]
    assert result["lost_seconds"] is None
