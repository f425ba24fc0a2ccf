"""A local stack in a process of its own, as a newcomer starts it, and ways to talk to it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.client import HTTPResponse
    from pathlib import Path

T = TypeVar("T")

START_SECONDS = 90
STOP_SECONDS = 20


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Stack:
    """What `.local/stack.json` tells, and where the stack keeps its state."""

    url: str
    ws_url: str
    aws_endpoint_url: str
    database_url: str
    bucket: str
    api_key: str
    pid: int
    function_urls: dict[str, str]
    state: Path

    def get(self, path: str, *, key: bool = True, **headers: str) -> Answer:
        return self.request("GET", path, key=key, **headers)

    def request(self, method: str, path: str, *, key: bool = True, **headers: str) -> Answer:
        given = {**({"x-api-key": self.api_key} if key else {}), **headers}
        return fetch(Request(self.url + path, method=method, headers=given))  # noqa: S310 — http

    def session(self, session_id: str) -> Any:
        return self.get(f"/api/audio/sessions/{session_id}").body

    def finished(self, session_id: str, *, seconds: float = 60) -> Any:
        """The session once its file is made or has failed."""
        return wait_for(
            lambda: (info := self.session(session_id))["processing_status"] != "pending" and info,
            seconds=seconds,
        )

    def download(self, url: str) -> bytes:
        with urlopen(url) as response:  # noqa: S310 — http
            return bytes(response.read())

    def processes(self, function: str) -> list[psutil.Process]:
        """The function's processes."""
        return [
            process
            for process in psutil.Process(self.pid).children(recursive=True)
            if environment_of(process).get("AWS_LAMBDA_FUNCTION_NAME") == function
        ]

    def log(self, function: str) -> list[dict[str, Any]]:
        path = self.state / "logs" / f"{function}.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def fetch(request: Request) -> Answer:
    try:
        with urlopen(request) as response:  # noqa: S310 — http
            return answer(response.status, response)
    except HTTPError as error:
        with error:
            return answer(error.code, error)


def answer(status: int, response: HTTPResponse | HTTPError) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(status, headers, json.loads(response.read()))


def wait_for(condition: Callable[[], T], *, seconds: float) -> T:
    """The first true value of `condition`, asked again and again."""
    until = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < until, f"not within {seconds} s"
        pause()
    return value


def pause() -> None:
    """Gives others the processor between two looks at a condition."""
    time.sleep(0.02)


def environment_of(process: psutil.Process) -> dict[str, str]:
    try:
        return dict(process.environ())
    except psutil.Error:
        return {}


def start(state: Path, *options: str, project: Path | None = None) -> subprocess.Popen[bytes]:
    """A runner of the project's own template, or of a copy of it."""
    with (state / "console.log").open("wb") as console:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "local",
                "serve",
                "--port",
                "0",
                "--state",
                str(state),
                *options,
            ],
            stdout=console,
            stderr=subprocess.STDOUT,
            cwd=project,
        )


@contextmanager
def running(
    state: Path, *options: str, project: Path | None = None, **parameters: object
) -> Iterator[Stack]:
    """A stack with these parameters of its template that is up, and gone afterwards."""
    given = [("--parameter", f"{name}={value}") for name, value in parameters.items()]
    process = start(state, *options, *chain.from_iterable(given), project=project)
    try:
        yield ready(process, state)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_SECONDS) in (0, 130), (state / "console.log").read_text()


def ready(process: subprocess.Popen[bytes], state: Path) -> Stack:
    told = state / "stack.json"

    def up() -> bool:
        assert process.poll() is None, (state / "console.log").read_text()
        return told.exists()

    wait_for(up, seconds=START_SECONDS)
    return Stack(**json.loads(told.read_text()), state=state)
