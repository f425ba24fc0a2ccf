"""Recordings, analysed by the function that streams what it finds, served as it is on Lambda."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from audioapi.analysis.models import Event, EventType
from audioapi.analysis.recorded import service
from local.processes.ports import free_port
from tests import audio
from tests.forms import CONTENT_TYPE, multipart
from tests.integration.audioapi.analysis.live import live_calls
from tests.integration.audioapi.functions import loaded
from tests.integration.audioapi.served import served
from tests.patience import until
from tests.sse import Sent, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from local.template.model import Stack
    from tests.sse import Stream

SPEECH = Path("local/samples/speech.wav").read_bytes()
KEY = {"x-api-key": "alice"}


@pytest.fixture
def url(stack: Stack) -> Iterator[str]:
    live_calls.let_in()
    with served(loaded("analysis_stream").app) as address:
        yield address


def posted(
    url: str, path: str, data: bytes, name: str = "call.wav", **headers: str
) -> AbstractContextManager[Stream]:
    body = multipart(("file", name, data), ("goal", None, b"Agree on a date"))
    return opened(
        f"{url}{path}", "POST", body, headers={"Content-Type": CONTENT_TYPE, **KEY, **headers}
    )


def taken(stream: Stream, count: int) -> list[Sent]:
    return list(islice(stream, count))


def test_a_recording_is_told_of_while_it_is_heard(url: str) -> None:
    with posted(url, "/analyze/stream", SPEECH) as stream:
        assert stream.status == 200
        heard = list(stream)
    types = [sent.type for sent in heard]
    assert heard[0].data["phase"] == "starting"
    assert types.count("final_transcript") == 1
    assert types[-3:] == ["summary_update", "status", "done"]
    assert heard[-2].data == {"phase": "completed", "progress": 1.0}


def test_a_failure_of_a_recordings_analysis_is_told_as_an_event(url: str) -> None:
    with posted(url, "/analyze/stream", b"not audio at all" * 100) as stream:
        *_, failure, last = stream
    assert (failure.type, failure.data["code"]) == ("error", "UNSUPPORTED_MEDIA")
    assert (last.type, list(last.data)) == ("done", ["conversation_id"])


@pytest.mark.parametrize("path", ["/analyze", "/analyze/stream"])
def test_a_request_that_is_wrong_is_a_problem_and_no_stream(url: str, path: str) -> None:
    with posted(url, path, b"") as stream:
        assert (stream.status, stream.body["field"]) == (400, "file")
    with posted(url, path, SPEECH, **{"x-api-key": "reader"}) as stream:
        assert (stream.status, stream.body["code"]) == (403, "FORBIDDEN")
    with opened(url + path, "POST", b"{}", headers={"Content-Type": "application/json"}) as stream:
        assert (stream.status, stream.body["code"]) == (401, "INVALID_KEY")


def test_a_recording_is_analysed_as_behind_the_http_api(url: str) -> None:
    with posted(url, "/analyze", SPEECH) as answer:
        analysis = answer.body
    assert answer.headers["content-type"] == "application/json"
    assert analysis["utterances"] == len(analysis["timeline"]) == 1
    assert analysis["artifact_dir"].startswith("artifacts/")


@pytest.mark.parametrize(
    ("data", "code"), [(b"no audio" * 100, "UNSUPPORTED_MEDIA"), (None, "NO_UTTERANCES")]
)
def test_what_cannot_be_analysed_is_a_problem(url: str, data: bytes | None, code: str) -> None:
    silence = audio.wav(bytes(32_000 * 2), rate=16_000, channels=1)
    with posted(url, "/analyze", data or silence) as answer:
        assert (answer.status, answer.body["code"]) == (400, code)


def test_work_for_a_caller_that_left_is_stopped(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    left, stopped = threading.Event(), threading.Event()

    def endless(*_: Any, **__: Any) -> Iterator[Event]:
        try:
            yield Event(EventType.STATUS, {"phase": "starting"})
            while True:
                left.wait()
                yield Event(EventType.STATUS, {"phase": "processing"})
        finally:
            stopped.set()

    monkeypatch.setattr(service, "stream", endless)
    with posted(url, "/analyze/stream", SPEECH) as stream:
        taken(stream, 1)
    left.set()
    until(stopped.is_set)


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        ("AnalysisStreamFunction", "POST", "/analyze"),
        ("LiveEventsFunction", "GET", "/analyze/live/live_3f9c01ab/events"),
    ],
)
def test_the_program_that_the_adapter_starts(
    described: Stack, name: str, method: str, path: str
) -> None:
    """By its own environment, as Lambda gives it: no path of ours leads to its packages."""
    function = described.functions[name]
    port = free_port()
    environment = {
        **function.environment,
        "AWS_LWA_PORT": str(port),
        "AWS_DEFAULT_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": str(function.code.resolve()),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
        "PYTHONPATH": os.pathsep.join(map(str, function.layers)),
    }
    program = subprocess.Popen(
        [function.code.resolve() / function.handler], cwd=function.code, env=environment
    )
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/ready"))
        with opened(f"http://127.0.0.1:{port}{path}", method) as answer:
            assert (answer.status, answer.body["code"]) == (401, "INVALID_KEY")
    finally:
        program.terminate()
        assert program.wait(10) in (0, -15)


def answers(url: str) -> bool:
    with suppress(URLError), closing(urlopen(url)) as answer:  # noqa: S310 — http
        return bool(answer.status == 200)
    return False
