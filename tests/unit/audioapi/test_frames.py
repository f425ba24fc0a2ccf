"""What messages say, and what their senders are told when they say it wrongly."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi.streaming import frames
from audioapi.streaming.frames import BadChunkError, BadFrameError, Chunk, Control

AUDIO = b"\x01\x00\x02\x00"
BASE64 = base64.b64encode(AUDIO).decode()


def test_a_binary_message_is_audio() -> None:
    assert frames.parse(BASE64, binary=True) == Chunk(AUDIO)


def test_a_base64_text_is_audio() -> None:
    assert frames.parse(BASE64, binary=False) == Chunk(AUDIO)


def test_a_json_message_carries_audio_and_its_number() -> None:
    message = json.dumps({"type": "audio", "data": BASE64, "seq": 7})
    assert frames.parse(message, binary=False) == Chunk(AUDIO, seq=7)


def test_a_control_message_may_count_the_chunks() -> None:
    message = json.dumps({"type": "control", "action": "close_session", "chunk_count": 3})
    assert frames.parse(message, binary=False) == Control("close_session", chunk_count=3)


@pytest.mark.parametrize("text", ['{"type": "audio"', "{'type': 1}", "no base64!", "abc", "é"])
def test_what_is_neither_json_nor_base64_is_told_so(text: str) -> None:
    with pytest.raises(BadFrameError) as refusal:
        frames.parse(text, binary=False)
    assert refusal.value.frame["error"] == "Invalid JSON format"


@pytest.mark.parametrize("kind", ["video", None, 3, ["audio"]])
def test_an_unknown_type_is_named(kind: object) -> None:
    with pytest.raises(BadFrameError) as refusal:
        frames.parse(json.dumps({"type": kind}), binary=False)
    assert refusal.value.frame == {"error": "Unknown message type", "received": kind}


def test_an_unknown_action_gets_the_allowed_ones() -> None:
    with pytest.raises(BadFrameError) as refusal:
        frames.parse('{"type": "control", "action": "explode"}', binary=False)
    assert refusal.value.frame["valid_values"] == ["close_session", "keepalive", "status"]


@pytest.mark.parametrize("seq", [-1, 1.5, "1", True, 10**10, [0]])
def test_a_sequence_number_is_a_whole_number_of_ten_digits(seq: object) -> None:
    with pytest.raises(BadChunkError, match="seq must be a whole number"):
        frames.parse(json.dumps({"type": "audio", "data": BASE64, "seq": seq}), binary=False)


@pytest.mark.parametrize("data", [None, 3, "****", "a"])
def test_data_that_is_no_base64_is_told_so_with_its_number(data: object) -> None:
    with pytest.raises(BadChunkError, match="base64") as refusal:
        frames.parse(json.dumps({"type": "audio", "data": data, "seq": 4}), binary=False)
    assert refusal.value.seq == 4


@pytest.mark.parametrize(
    ("text", "binary"), [("", True), ("", False), ('{"type": "audio", "data": ""}', False)]
)
def test_an_empty_chunk_is_refused(text: str, binary: bool) -> None:  # noqa: FBT001 — a case
    with pytest.raises(BadChunkError, match="empty"):
        frames.parse(text, binary=binary)


@given(st.text())
def test_no_text_does_anything_else(text: str) -> None:
    try:
        parsed = frames.parse(text, binary=False)
    except (BadChunkError, BadFrameError):
        return
    assert isinstance(parsed, Chunk | Control)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4))
def test_no_field_does_anything_else(value: object) -> None:
    for field in ("data", "seq", "type"):
        message = {"type": "audio", "data": BASE64, "seq": 0, field: value}
        try:
            parsed = frames.parse(json.dumps(message), binary=False)
        except (BadChunkError, BadFrameError):
            continue
        assert isinstance(parsed, Chunk | Control)
