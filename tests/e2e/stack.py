"""A local stack in a process of its own, as a newcomer starts it, and ways to talk to it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil

from local.services.clients import connect
from local.template import reader
from tests import forms
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from http.client import HTTPResponse

    from local.services.clients import Clients

STOP_SECONDS = 20
"""For who measures; a test waits."""


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

    @cached_property
    def clients(self) -> Clients:
        """Of its AWS services."""
        return connect(self.aws_endpoint_url)

    def get(
        self, path: str, *, key: bool = True, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Answer:
        return self.request("GET", path, key=key, headers=headers)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: bool = True,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Answer:
        """`body` is sent as it is if it's bytes, and as JSON otherwise."""
        given = {"x-api-key": self.api_key} if key else {}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not body:
            given["content-type"] = "application/json"
        address = self.url + path
        return fetch(Request(address, data, given | dict(headers), method=method))  # noqa: S310 — http

    def post_form(self, path: str, form: bytes) -> Answer:
        return self.request("POST", path, form, headers={"content-type": forms.CONTENT_TYPE})

    def session(self, session_id: str) -> Any:
        return self.get(f"/api/audio/sessions/{session_id}").body

    def finished(self, session_id: str) -> Any:
        """The session once its file is made or has failed."""
        return until(
            lambda: (info := self.session(session_id))["processing_status"] != "pending" and info
        )

    def download(self, url: str, *, key: bool = False) -> bytes:
        headers = {"x-api-key": self.api_key} if key else {}
        with urlopen(Request(url, headers=headers)) as response:  # noqa: S310 — http
            return bytes(response.read())

    def processes(self, function: str) -> list[psutil.Process]:
        """The function's processes."""
        return [process for process, name in self.serving() if name == function]

    def at_work(self, function: str) -> list[psutil.Process]:
        """Those of its processes for which FFmpeg is at work."""
        return [process for process in self.processes(function) if runs_ffmpeg(process)]

    def serving(self) -> list[tuple[psutil.Process, str]]:
        """All processes of functions, whoever their parent is by now, with the function's name."""
        return [
            (process, name)
            for process in psutil.process_iter()
            if (name := self._function_of(process))
        ]

    def _function_of(self, process: psutil.Process) -> str:
        """Empty for a process that serves no function of this stack's, or is gone. A fork has the
        variables that it was forked with, and the folder of its function.
        """
        try:
            ours = process.environ().get("AWS_ENDPOINT_URL") == self.aws_endpoint_url
            folder = Path(process.cwd())
        except psutil.Error:
            return ""
        served = ours and folder.parent.name == "functions"
        return functions()[folder.name] if served else ""

    def log(self, function: str) -> list[dict[str, Any]]:
        path = self.state / "logs" / f"{function}.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@cache
def functions() -> dict[str, str]:
    """Their names in the template by their folders'."""
    resources = reader.read(Path("template.yaml"))["Resources"].items()
    kind = "AWS::Serverless::Function"
    return {
        Path(resource["Properties"]["CodeUri"]).name: name
        for name, resource in resources
        if resource["Type"] == kind
    }


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


def is_called(process: psutil.Process, name: str) -> bool:
    """Whether that is its name, and it is there still."""
    try:
        return bool(process.name() == name)
    except psutil.NoSuchProcess:
        return False


def runs_ffmpeg(process: psutil.Process) -> bool:
    try:
        return any("ffmpeg" in child.name() for child in process.children())
    except psutil.NoSuchProcess:
        return False


def kill(*processes: psutil.Process) -> None:
    """And sees them dead."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    until(lambda: not any(map(is_alive, processes)))


def start(state: Path, *options: str, project: Path | None = None) -> subprocess.Popen[bytes]:
    """A runner of the project's own template, or of a copy of it."""
    command = [sys.executable, "-m", "local", "serve", "--port", "0", "--state", str(state)]
    with (state / "console.log").open("wb") as console:
        return subprocess.Popen(
            [*command, *options], stdout=console, stderr=subprocess.STDOUT, cwd=project
        )


@contextmanager
def running(
    state: Path, *options: str, ending: signal.Signals = signal.SIGINT, **parameters: object
) -> Iterator[Stack]:
    """A stack with these parameters of its template that is up, and is ended by that signal:
    nothing is left of it.
    """
    given = [("--parameter", f"{name}={value}") for name, value in parameters.items()]
    runner = start(state, *options, *chain.from_iterable(given))
    try:
        up = ready(runner, state)
        yield up
        end(up, runner, ending)
    finally:
        runner.kill()  # if it's still there: what it started ends with it
        runner.wait()


def ready(runner: subprocess.Popen[bytes], state: Path) -> Stack:
    told, console = state / "stack.json", state / "console.log"
    until(told.exists, failed=lambda: runner.poll() is not None and console.read_text())
    return Stack(**json.loads(told.read_text()), state=state)


def end(stack: Stack, runner: subprocess.Popen[bytes], ending: signal.Signals) -> None:
    """Ends it, and sees to it that everything ends that it has started."""
    services = psutil.Process(runner.pid).children(recursive=True)
    assert len(services) > 2  # and who looks after them
    started = [*services, *(process for process, _ in stack.serving())]
    runner.send_signal(ending)
    how = -ending if ending is signal.SIGKILL else 0
    assert runner.wait() == how, (stack.state / "console.log").read_text()
    until(lambda: not any(map(is_alive, started)))
    until(lambda: not (stack.state / "stack.json").exists())


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs, which a dead process that nobody has waited for doesn't."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
