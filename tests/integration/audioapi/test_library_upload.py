"""A file goes into the library whole, fit for call flows, or not at all."""

from __future__ import annotations

import hashlib
import json
import math
import wave
from array import array
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from audioapi import identity, settings
from audioapi.identity import Principal
from audioapi.library import normalise
from audioapi.media.ffmpeg import Limits
from audioapi.media.telephony import loudness
from tests import audio
from tests.corpus import HOSTILE
from tests.forms import multipart
from tests.integration.audioapi.library_calls import allow, call, organization, stored
from tests.integration.audioapi.library_upload_calls import (
    do_jobs,
    read,
    rows,
    send,
    upload,
)

if TYPE_CHECKING:
    from uuid import UUID

    from local.template.model import Stack

WAV = audio.wav_bytes(rate=16000, channels=1, seconds=1.0)
FORMATS: dict[str, tuple[str, ...]] = {
    "wav": ("wav", "-c:a", "pcm_s24le"),
    "mp3": ("mp3",),
    "ogg": ("ogg", "-c:a", "libvorbis"),
    "flac": ("flac",),
    "aac": ("adts", "-c:a", "aac"),
    "m4a": ("ipod", "-c:a", "aac"),
    "webm": ("webm", "-c:a", "libopus"),
}


@pytest.fixture(autouse=True)
def acme(stack: Stack, database_secret: None) -> UUID:
    settings.library.cache_clear()
    return organization("Acme")


def accepted(data: bytes = WAV, name: str = "welcome.wav", **fields: str) -> Any:
    answer = upload(data, name, **fields)
    assert answer.status == 201, answer.body
    return answer.body


def refused(own: UUID, data: bytes, name: str = "welcome.wav", **fields: str) -> Any:
    """The problem; nothing is kept, not even for a while."""
    answer = upload(data, name, **fields)
    assert answer.status == 400, answer.body
    assert (stored(own), rows(own)) == ([], [])
    assert do_jobs() == 0
    return answer.body


def test_an_upload_is_answered_as_published(acme: UUID) -> None:
    made = accepted(
        title="Welcome Message",
        description="Welcome audio for customers",
        usageType="welcome",
        tags='["welcome", "greeting"]',
    )
    processed = read(acme, made["id"], "processed.wav")
    assert made == {
        "id": made["id"],
        "title": "Welcome Message",
        "description": "Welcome audio for customers",
        "usageType": "welcome",
        "tags": ["welcome", "greeting"],
        "durationSeconds": 1.0,
        "sampleRate": 8000,
        "channels": 1,
        "bitDepth": 16,
        "organizationId": str(acme),
        "originalFileName": "welcome.wav",
        "createdAt": made["createdAt"],
        "updatedAt": made["updatedAt"],
        "file": {
            "id": made["file"]["id"],
            "name": "welcome_processed.wav",
            "contentType": "audio/wav",
            "fileSize": len(processed),
            "checksum": hashlib.sha256(processed).hexdigest(),
        },
    }
    assert read(acme, made["id"], "original") == WAV
    assert call("library_metadata", made["id"], key="Acme").body == made
    assert call("library_stream", made["id"], key="Acme").content == processed


def test_without_fields_the_files_name_is_the_title() -> None:
    made = accepted(name="On Hold.MP3")
    assert (made["title"], made["usageType"]) == ("On Hold", "other")
    assert (made["description"], made["tags"]) == (None, None)
    assert made["file"]["name"] == "On Hold_processed.wav"


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_becomes_telephony(acme: UUID, kind: str) -> None:
    container, *options = FORMATS[kind]
    made = accepted(audio.encoded(container, *options, rate=44100, channels=2), f"tone.{kind}")
    with wave.open(BytesIO(read(acme, made["id"], "processed.wav"))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        seconds = file.getnframes() / 8000
        samples = array("h", file.readframes(file.getnframes()))
    assert made["durationSeconds"] == seconds == pytest.approx(1.0, abs=0.08)
    assert math.sqrt(sum(s * s for s in samples) / len(samples)) == pytest.approx(6000, rel=0.1)


@pytest.mark.parametrize("claimed", ["text/plain", "audio/mpeg", "x", ""])
def test_the_bytes_say_what_a_file_is(claimed: str) -> None:
    flac = audio.encoded("flac")
    body = multipart(("file", "no-extension", flac), file_type=claimed)
    assert send(body).status == 201


def test_tags_come_in_three_ways() -> None:
    assert accepted(tags="welcome, greeting")["tags"] == ["welcome", "greeting"]
    repeated = multipart(("tags", None, b"a"), ("tags", None, b"b"), ("file", "a.wav", WAV))
    assert send(repeated).body["tags"] == ["a", "b"]


def test_the_waveform_is_drawn_of_what_is_played(acme: UUID) -> None:
    made = accepted()
    peaks = json.loads(call("library_waveform", made["id"], key="Acme").content)
    assert (peaks["version"], peaks["sample_rate"], peaks["channels"]) == (2, 8000, 1)
    assert peaks["length"] * peaks["samples_per_pixel"] == 8000
    assert max(peaks["data"]) == pytest.approx(12000, rel=0.05)


@pytest.mark.parametrize(
    "given", ["../../../etc/passwd", "C:\\boot.ini", "..", "a/../../b.wav", "\x1b[2J.wav", "%2e%2e"]
)
def test_a_name_is_no_path(acme: UUID, given: str) -> None:
    made = accepted(name=given)
    name = made["originalFileName"]
    assert not {"/", "\\", "\x1b"} & set(name)
    assert all(key.startswith(f"{made['id']}/") for key in stored(acme))
    assert len(stored(acme)) == 3


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("welcome.wav", b"", "file: it is empty"),
        ("welcome.wav", b"I am no audio.\n" * 100, "starts with text"),
        ("welcome.mp3", b"%PDF-1.7\n" + bytes(500), "a PDF document"),
        ("welcome.mp3", b"#EXTM3U\nfile:///etc/passwd\n", "an HLS playlist"),
        ("welcome.wav", b"ffconcat version 1.0\nfile /etc/passwd\n", "an ffconcat playlist"),
        ("welcome.wav", WAV[:44], "file: "),
        ("welcome.wav", WAV[:20], "file: "),
        ("welcome.wav", WAV[:-2000], "file: "),
        ("welcome.wav", bytes(5000), "no kind of audio that is known"),
        ("welcome.m4a", audio.encoded("ipod", "-c:a", "aac")[:5000], "moov atom not found"),
    ],
)
def test_what_is_no_whole_audio_is_refused(acme: UUID, name: str, data: bytes, reason: str) -> None:
    problem = refused(acme, data, name)
    assert problem["field"] == "file"
    assert problem["code"] == ("UNSUPPORTED_MEDIA" if data else "INVALID_REQUEST")
    assert problem["detail"].startswith("file: ")
    assert reason in problem["detail"]


@pytest.mark.parametrize(
    "case", [case for case in HOSTILE if case.name.startswith("wav-")], ids=lambda case: case.name
)
def test_a_wav_whose_header_lies_is_refused_or_whole(acme: UUID, case: Any) -> None:
    """It may lie about what nobody needs; of what is taken, nothing is missing."""
    answer = upload(b"".join(case.parts()))
    if case.refused or case.warnings:
        assert (answer.status, answer.body["code"]) == (400, "UNSUPPORTED_MEDIA")
        assert answer.body["field"] == "file"
        assert (stored(acme), rows(acme)) == ([], [])
    else:
        assert answer.status == 201
        assert answer.body["durationSeconds"] == pytest.approx(case.seconds, abs=0.01)


def test_a_bomb_is_refused(acme: UUID) -> None:
    [bomb] = [case for case in HOSTILE if case.name == "flac-bomb"]
    problem = refused(acme, b"".join(bomb.parts()))
    assert problem["code"] == "UNSUPPORTED_MEDIA"
    assert "more than 1800 s of sound" in problem["detail"]
    assert "direct upload" in problem["detail"]


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("title", "x" * 256, "255"),
        ("description", "x" * 501, "500"),
        ("usageType", "jingle", "'hold_music'"),
        ("tags", "[1]", "strings"),
    ],
)
def test_a_field_out_of_bounds_is_named(acme: UUID, field: str, value: str, named: str) -> None:
    problem = refused(acme, WAV, **{field: value})
    assert (problem["code"], problem["field"]) == ("INVALID_REQUEST", field)
    assert named in problem["detail"]


@pytest.mark.parametrize(
    ("body", "content_type", "field"),
    [
        (multipart(("title", None, b"x")), None, "file"),
        (multipart(("file", None, WAV[:1000])), None, "file"),
        (multipart(("file", "a.wav", WAV), ("file", "b.wav", WAV)), None, "file"),
        (multipart(("file", "a.wav", WAV))[:-10], None, "body"),
        (b"", None, "body"),
        (multipart(("file", "a.wav", WAV)), "multipart/form-data", "Content-Type"),
        (WAV, "audio/wav", "Content-Type"),
    ],
    ids=["no-file", "a-field", "two-files", "breaks-off", "nothing", "no-boundary", "no-form"],
)
def test_a_form_that_is_none_is_refused(
    acme: UUID, body: bytes, content_type: str | None, field: str
) -> None:
    answer = send(body, **({"content_type": content_type} if content_type else {}))
    assert (answer.status, answer.body["code"]) == (400, "INVALID_REQUEST")
    assert answer.body["field"] == field
    assert (stored(acme), rows(acme)) == ([], [])


def test_a_file_over_the_limit_is_refused(acme: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_FILE_SIZE_MB", "1")
    settings.library.cache_clear()
    problem = refused(acme, audio.wav(bytes(1024 * 1024), rate=8000, channels=1))
    assert (problem["code"], problem["field"]) == ("FILE_TOO_LARGE", "file")
    accepted(audio.wav(bytes(1024 * 1024 - 44), rate=16000, channels=1))


@pytest.mark.parametrize("scopes", [("read",), ("other",)])
def test_whoever_may_not_write_may_not_upload(acme: UUID, scopes: tuple[str, ...]) -> None:
    allow("Reader", acme, *scopes)
    answer = upload(WAV, key="Reader")
    assert (answer.status, answer.body["code"]) == (403, "FORBIDDEN")
    assert send(multipart(("file", "a.wav", WAV)), key=None).status == 401
    assert (stored(acme), rows(acme)) == ([], [])


@pytest.mark.parametrize("unknown", ["acme-corp", "00000000-0000-4000-8000-00000000dead"])
def test_an_organization_without_a_library_is_refused(unknown: str) -> None:
    identity.put_api_key("Nobody", Principal("somebody", unknown))
    answer = upload(WAV, key="Nobody")
    assert (answer.status, answer.body["code"]) == (403, "FORBIDDEN")
    assert do_jobs() == 0


def test_a_request_that_comes_again_is_answered_again(acme: UUID) -> None:
    body = multipart(("file", "a.wav", WAV))
    first, again = (send(body, idempotency_key="17") for _ in range(2))
    assert first.status == 201
    assert again.body == first.body
    assert len(rows(acme)) == 1
    other = send(multipart(("file", "b.wav", WAV)), idempotency_key="17")
    assert other.status == 422


def test_the_library_may_have_one_loudness(acme: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBRARY_LOUDNESS_LUFS", "-19")
    settings.library.cache_clear()
    quiet = audio.encoded("flac", "-af", "volume=-20dB", channels=2, seconds=3.0)
    made = accepted(quiet, "quiet.flac")
    measured = loudness([read(acme, made["id"], "processed.wav")], limits=Limits())
    assert measured.integrated_lufs == pytest.approx(-19, abs=0.2)


def test_no_peak_is_clipped_for_loudness(acme: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBRARY_LOUDNESS_LUFS", "-5")
    settings.library.cache_clear()
    made = accepted()
    measured = loudness([read(acme, made["id"], "processed.wav")], limits=Limits())
    assert measured.true_peak_dbtp is not None
    assert -2 < measured.true_peak_dbtp <= normalise.TRUE_PEAK_DBTP


def test_silence_stays_silence_whatever_the_loudness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBRARY_LOUDNESS_LUFS", "-16")
    settings.library.cache_clear()
    assert accepted(audio.wav(bytes(32000), rate=16000, channels=1))["durationSeconds"] == 1.0
