"""The stack as it is started, and as it ends, which may be in any way."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import psutil
import psycopg2
import pytest

from local.services.clients import connect
from tests import audio
from tests.e2e import live
from tests.integration.local.programs import ROOT, all_gone
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Runner:
    """A `python -m local serve` that is up."""

    def __init__(self, state: Path) -> None:
        self.process = subprocess.Popen(
            [*LOCAL, "serve", "--port", "0", "--state", str(state)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
        )
        self.record = state / "stack.json"
        until(self.record.exists, failed=self.ended)
        self.address = json.loads(self.record.read_text())

    def ended(self) -> str:
        """What it said, if it has ended."""
        return "" if self.process.poll() is None else self.process.communicate()[0]

    def get(self, path: str) -> Any:
        request = Request(self.address["url"] + path, headers={"x-api-key": "dev-key"})  # noqa: S310
        with urlopen(request) as answer:  # noqa: S310 - loopback
            return json.loads(answer.read())

    def everybody(self) -> list[int]:
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [self.process.pid, *(child.pid for child in children)]


LOCAL = [sys.executable, "-m", "local"]


@contextmanager
def running(state: Path) -> Iterator[Runner]:
    runner = Runner(state)
    with runner.process:
        try:
            yield runner
        finally:
            runner.process.kill()
            until(lambda: not runner.record.exists())


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with running(tmp_path_factory.mktemp("state")) as runner:
        yield runner


def attempt(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LOCAL, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_record_tells_where_everything_is(stack: Runner) -> None:
    address = stack.address
    assert stat.S_IMODE(stack.record.stat().st_mode) == 0o600
    assert address["pid"] == stack.process.pid
    assert address["ws_url"] == address["url"].replace("http", "ws")
    connect(address["aws_endpoint_url"]).s3.head_bucket(Bucket=address["bucket"])
    with psycopg2.connect(address["database_url"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT name, slug FROM organizations")
        assert cursor.fetchall() == [("Acme Corporation", "acme-corp")]
    connection.close()


def test_each_function_url_answers_at_its_port(stack: Runner) -> None:
    assert set(stack.address["function_urls"]) == {"AnalysisStreamFunction", "LiveEventsFunction"}
    preflight = {"Origin": "https://example.com", "Access-Control-Request-Method": "GET"}
    for name, url in stack.address["function_urls"].items():
        assert url.endswith("/")
        request = Request(url, method="OPTIONS", headers=preflight)  # noqa: S310
        with urlopen(request) as answer:  # noqa: S310 - loopback
            assert "Access-Control-Allow-Origin" in answer.headers, name


def test_the_ready_key_is_a_users(stack: Runner) -> None:
    assert stack.get("/api/audio/sessions")["sessions"] == []


def test_a_taken_port_is_one_line(stack: Runner, tmp_path: Path) -> None:
    port = int(stack.address["url"].rpartition(":")[2])
    refused = attempt("serve", "--port", str(port), "--state", str(tmp_path))
    assert refused.returncode == 2
    assert refused.stderr == (
        f"Port {port} is taken; choose another with PORT={port + 1}, or --port {port + 1}\n"
    )


def test_two_stacks_do_not_share_a_folder(stack: Runner) -> None:
    state = stack.record.parent
    refused = attempt("serve", "--port", "0", "--state", str(state))
    assert refused.returncode == 2
    assert refused.stderr == (
        f"A stack (process {stack.process.pid}) runs in {state} already:"
        " stop it, or choose another folder with --state\n"
    )
    assert stack.get("/api/audio/sessions")["sessions"] == [], "and the first one lives on"


@pytest.mark.parametrize("parameter", ["Nonsense=1", "DefaultChannels=3", "DefaultChannels"])
def test_a_wrong_parameter_is_named(parameter: str, tmp_path: Path) -> None:
    refused = attempt("serve", "--port", "0", "--state", str(tmp_path), "--parameter", parameter)
    assert refused.returncode == 2
    assert parameter.partition("=")[0] in refused.stderr
    assert "Traceback" not in refused.stderr


def ends_in_order(runner: Runner, number: signal.Signals) -> None:
    runner.get("/api/audio/sessions")
    everybody = runner.everybody()
    runner.process.send_signal(number)
    output, _ = runner.process.communicate()
    assert runner.process.returncode == 0, output
    assert "ready: http://localhost:" in output
    assert "\x1b" not in output, "no colours where no terminal is"
    until(all_gone(everybody))
    assert not runner.record.exists()


def test_killed_it_leaves_nothing_starts_again_and_ends_in_order(tmp_path: Path) -> None:
    with running(tmp_path) as runner:
        runner.get("/api/audio/sessions")
        everybody = runner.everybody()
        assert len(everybody) > 4
        os.kill(runner.process.pid, signal.SIGKILL)
        until(all_gone(everybody))
        until(lambda: not runner.record.exists())
    with running(tmp_path) as runner:
        assert runner.get("/api/audio/sessions")["sessions"] == []
        ends_in_order(runner, signal.SIGTERM)


def test_a_demo_proves_every_sample(tmp_path: Path) -> None:
    talk = tmp_path / "talk.wav"
    talk.write_bytes(audio.wav(live.breath(1.0), rate=16_000, channels=1))
    shown = attempt("demo", str(talk))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "File: 16,000 samples, each equal to talk.wav's." in shown.stdout
    assert "Memory: 16,000 samples, each equal to the file's." in shown.stdout


def test_a_demo_of_nothing_is_refused() -> None:
    refused = attempt("demo", "no-such-file.wav")
    assert (refused.returncode, refused.stderr) == (2, "There is no file no-such-file.wav\n")


def test_interrupted_it_ends_in_order(stack: Runner) -> None:
    """The last test of the one that they share."""
    ends_in_order(stack, signal.SIGINT)
