"""Somebody who has just got the project, and types what its README says."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests import audio
from tests.e2e.stack import Stack, ready
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ADDRESS = "localhost:8000"
SAMPLE = Path("local/samples/speech.wav")
SAMPLE_SECONDS = 2
IDS = {"SESSION_ID": "session_id", "MEMORY_ID": "memory_id"}
# Not the environment: PostgreSQL runs as nobody, who may not look into a test's folder. What Python
# compiled is copied: it is as good there.
_NOT_COPIED = shutil.ignore_patterns(".*", "node_modules")


@dataclass
class Newcomer:
    """Types commands in a folder, with the ids that the last answers told, at a running stack."""

    folder: Path
    stack: Stack
    told: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return self.stack.url.removeprefix("http://")

    @property
    def shown(self) -> str:
        """What `make run` has shown so far."""
        return _console(self.folder).read_text()

    def types(self, command: str) -> str:
        for name, value in {**self.told, ADDRESS: self.address}.items():
            command = command.replace(name, value)
        command = re.sub(r"^curl", "curl --no-progress-meter --fail-with-body", command)
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=environment(self.folder),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        for name, key in IDS.items():
            if found := re.search(rf'"{key}": ?"([^"]+)"', done.stdout):
                self.told[name] = found[1]
        return done.stdout


@contextmanager
def arrived(folder: Path) -> Iterator[Newcomer]:
    """One with a copy of the project, who ends `make run` with Ctrl-C."""
    shutil.copytree(ROOT, folder, ignore=_NOT_COPIED)
    shorten(folder / SAMPLE)
    os.utime(folder / "requirements-dev.txt", (0, 0))  # or make may renew what the tests run in
    with _made_to_run(folder) as runner:
        console = _console(folder)

        def ended() -> str | bool:
            return runner.poll() is not None and console.read_text()

        until(lambda: "Serving until" in console.read_text(), failed=ended)
        yield Newcomer(folder, ready(runner, folder / ".local"))
    assert console.read_text().endswith("Stopping\n")  # make itself ends as Ctrl-C ends it
    assert not (folder / ".local" / "stack.json").exists()


def shorten(path: Path) -> None:
    """Leaves the sample's first words: most commands send it, and what is sent is transcribed."""
    samples = audio.samples_of(path.read_bytes())[: 2 * 16_000 * SAMPLE_SECONDS]
    path.write_bytes(audio.wav(samples, rate=16_000, channels=1))


def environment(folder: Path) -> dict[str, str]:
    """A newcomer's shell after `source .venv/bin/activate`."""
    given = {name: os.environ[name] for name in ("HOME", "PATH", "FFMPEG") if name in os.environ}
    return given | {
        "PATH": f"{sys.prefix}/bin:{given['PATH']}",
        "MAKEFLAGS": f"VENV={sys.prefix}",
        "XDG_STATE_HOME": str(folder / "state"),
    }


@contextmanager
def _made_to_run(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with _console(folder).open("wb") as console:
        runner = subprocess.Popen(
            ["make", "run", "PORT=0"],
            cwd=folder,
            env=environment(folder),
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # that Ctrl-C reaches all of it, and only it
        )
    try:
        yield runner
    finally:
        if runner.poll() is None:
            os.killpg(runner.pid, signal.SIGINT)
            runner.wait()


def _console(folder: Path) -> Path:
    return folder / "console.log"
