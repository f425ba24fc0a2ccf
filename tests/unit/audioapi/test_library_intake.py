"""What comes beside a file: names, titles, tags, in every way that forms send them."""

from __future__ import annotations

import uuid

import pytest

from audioapi.forms import Form
from audioapi.library import intake
from audioapi.library.models import NewAudio, UsageType
from audioapi.problems import InvalidRequestError


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], None),
        ([""], None),
        ([" , "], None),
        (["[]"], None),
        (["welcome"], ["welcome"]),
        (["welcome, greeting"], ["welcome", "greeting"]),
        (["welcome", "greeting"], ["welcome", "greeting"]),
        (["a,b", "c"], ["a", "b", "c"]),
        ([' ["welcome", "a,b"]'], ["welcome", "a,b"]),
        (["[a", "b]"], ["[a", "b]"]),
    ],
)
def test_tags_come_in_three_ways(given: list[str], expected: list[str] | None) -> None:
    assert intake.tags(given) == expected


@pytest.mark.parametrize("given", ["[", "[1]", "[null]", '["a"', "[" * 50_000, '["\\ud800"]'])
def test_a_json_array_of_something_else_is_refused(given: str) -> None:
    with pytest.raises(InvalidRequestError, match="tags: ") as raised:
        intake.tags([given])
    assert raised.value.members == {"field": "tags"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("welcome.wav", "welcome.wav"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\Grüße.mp3", "Grüße.mp3"),
        ("/", "audio"),
        ("", "audio"),
        ("..", "audio"),
        (". ", "audio"),
        ("a\0b\r\n\x1b[31m.wav", "ab[31m.wav"),
        ("evil\u202e3pm.exe", "evil3pm.exe"),
        ("x" * 300 + ".wav", "x" * 251 + ".wav"),
        ("  spaced .wav ", "spaced .wav"),
    ],
)
def test_a_file_name_is_a_name_and_no_path(given: str, expected: str) -> None:
    assert intake.file_name(given) == expected


@pytest.mark.parametrize(
    ("name", "title", "made"),
    [
        ("welcome.wav", "welcome", "welcome_processed.wav"),
        ("on.hold.music.flac", "on.hold.music", "on.hold.music_processed.wav"),
        (".hidden", ".hidden", ".hidden_processed.wav"),
        ("spaced .wav", "spaced", "spaced_processed.wav"),
        ("", "audio", "audio_processed.wav"),
    ],
)
def test_the_stem_is_the_title_unless_one_is_given(name: str, title: str, made: str) -> None:
    audio = intake.new_audio(uuid.uuid4(), uuid.uuid4(), NewAudio(), name=name)
    assert (audio.title, audio.file_name) == (title, made)
    titled = intake.new_audio(uuid.uuid4(), uuid.uuid4(), NewAudio(title="Mine"), name=name)
    assert titled.title == "Mine"


def test_blank_fields_are_as_none() -> None:
    blank = {"title": [" "], "description": [""], "usageType": [""], "tags": [""]}
    assert intake.described(Form(blank)) == intake.described(Form()) == NewAudio()
    assert NewAudio().usage_type is UsageType.OTHER


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "x" * 256),
        ("title", "a\0b"),
        ("description", "x" * 501),
        ("usageType", "jingle"),
        ("tags", "x" * 65),
        ("tags", ",".join(map(str, range(51)))),
    ],
)
def test_a_field_out_of_bounds_is_named(field: str, value: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        intake.described(Form({field: [value]}))
    assert raised.value.members["field"].startswith(field)
    assert raised.value.detail.startswith(field)


def test_what_just_fits_is_taken() -> None:
    given = {"title": ["x" * 255], "description": ["y" * 500], "usageType": ["hold_music"]}
    found = intake.described(Form(given))
    assert (found.title, found.description) == ("x" * 255, "y" * 500)
    assert found.usage_type is UsageType.HOLD_MUSIC
