"""The AsyncAPI document says what the WebSocket protocol really is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest

import audioapi
from audioapi import settings
from audioapi.streaming import frames
from audioapi.streaming.frames import BadFrameError, Frame
from audioapi.streaming.models import Status
from tests.unit.audioapi.test_session_states import session

DOCUMENT = json.loads(Path("docs/asyncapi.json").read_text())
MESSAGES: dict[str, dict[str, Any]] = DOCUMENT["components"]["messages"]
OPEN = session(total_chunks=3)
DONE = session(
    status=Status.COMPLETED,
    total_chunks=3,
    file_path="a.wav",
    duration_seconds=1.5,
    lost_seconds=0.25,
    closing_at=1,
)
SAID: dict[str, list[Frame]] = {
    "created": [frames.created(OPEN)],
    "resumed": [frames.resumed(OPEN, next_seq=3)],
    "acknowledged": [
        frames.acknowledged(OPEN, seq=None),
        frames.acknowledged(OPEN, seq=2),
        frames.acknowledged(OPEN, seq=2, next_seq=3),
    ],
    "refused": [
        frames.refused(OPEN, "too large", seq=None),
        frames.failed(OPEN, seq=4),
        frames.failed(OPEN, seq=None),
        frames.taken(OPEN, seq=2, next_seq=3),
    ],
    "keptAlive": [frames.kept_alive(OPEN), frames.kept_alive(DONE)],
    "state": [frames.state(OPEN, next_seq=3)],
    "closed": [frames.closed(DONE)],
    "ready": [frames.ready(DONE, download_url="https://audio.example/a.wav")],
    "empty": [frames.ready(session(status=Status.COMPLETED), download_url=None)],
    "unprocessable": [frames.unprocessable(session(status=Status.ERROR, error="no audio"))],
}
NONSENSE = ['{"type": "audio"', "no base64!", '{"type": "video"}', '{"type": "control"}']


@pytest.mark.parametrize("name", SAID)
def test_what_clients_hear_is_as_described(name: str) -> None:
    for frame in SAID[name]:
        jsonschema.validate(frame, MESSAGES[name]["payload"])
        others = [other for other in SAID if other != name]
        assert not [other for other in others if _fits(frame, other)]


@pytest.mark.parametrize("text", NONSENSE)
def test_what_is_misunderstood_is_answered_as_described(text: str) -> None:
    with pytest.raises(BadFrameError) as refused:
        frames.parse(text, binary=False)
    jsonschema.validate(refused.value.frame, MESSAGES["misunderstood"]["payload"])


def _fits(frame: Frame, name: str) -> bool:
    return jsonschema.Draft202012Validator(MESSAGES[name]["payload"]).is_valid(frame)


def test_every_message_that_clients_hear_is_tried() -> None:
    heard = [ref["$ref"].rpartition("/")[2] for ref in DOCUMENT["operations"]["hear"]["messages"]]
    assert set(heard) == {*SAID, "misunderstood"}


@pytest.mark.parametrize("name", ["chunk", "plainChunk", "control"])
def test_the_examples_of_what_clients_send_are_understood(name: str) -> None:
    for example in MESSAGES[name]["examples"]:
        payload = example["payload"]
        jsonschema.validate(payload, MESSAGES[name]["payload"])
        frames.parse(payload if name == "plainChunk" else json.dumps(payload), binary=False)


def test_actions_and_parameters_are_those_of_the_code() -> None:
    control = MESSAGES["control"]["payload"]["properties"]
    query = DOCUMENT["channels"]["audio"]["bindings"]["ws"]["query"]["properties"]
    assert control["action"]["enum"] == list(frames.ACTIONS)
    assert query["sample_rate"]["enum"] == list(get_args(settings.SampleRate))
    assert query["channels"]["enum"] == list(get_args(settings.Channels))
    assert query["format"]["enum"] == list(get_args(settings.AudioFormat))


def test_it_is_whole() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"]["version"] == audioapi.__version__
    for reference in _references(DOCUMENT):
        found: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def _references(part: Any) -> list[str]:
    if isinstance(part, list):
        return [found for item in part for found in _references(item)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
    return own + [found for item in part.values() for found in _references(item)]
