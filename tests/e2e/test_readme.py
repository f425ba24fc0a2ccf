"""The README's own commands, in its order, in a copy of the project with `make run` in it."""

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

import imageio_ffmpeg  # type: ignore[import-untyped]
import pytest

from tests.e2e.stack import START_SECONDS, STOP_SECONDS, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
# Not the environment: PostgreSQL runs as nobody, who may not look into a test's folder.
NOT_COPIED = shutil.ignore_patterns(".*", "node_modules", "__pycache__")
ADDRESS = "localhost:8000"
IDS = {"SESSION_ID": "session_id", "MEMORY_ID": "memory_id"}
OF_ITS_OWN = {
    "make run": "the stack that all others talk to",
    "make test": "runs this",
    "source .venv/bin/activate": "in the environment",
}


@dataclass
class Newcomer:
    """Types what the README says, with the ids that the last answers told."""

    folder: Path
    address: str
    told: dict[str, str] = field(default_factory=dict)

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
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        for name, key in IDS.items():
            if found := re.search(rf'"{key}": ?"([^"]+)"', done.stdout):
                self.told[name] = found[1]
        return done.stdout


def commands(heading: str) -> list[str]:
    """Those of the section's shell blocks, lines that go on joined."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    text = "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL)).replace("\\\n", "")
    return [line.partition(" #")[0].rstrip() for line in text.splitlines() if line]


def environment(folder: Path) -> dict[str, str]:
    """A newcomer's shell after `source .venv/bin/activate`."""
    given = {name: os.environ[name] for name in ("HOME", "PATH", "FFMPEG") if name in os.environ}
    return given | {
        "PATH": f"{sys.prefix}/bin:{given['PATH']}",
        "MAKEFLAGS": f"VENV={sys.prefix}",
        "XDG_STATE_HOME": str(folder / "state"),
    }


@contextmanager
def made_to_run(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "console.log").open("wb") as console:
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
            runner.wait(STOP_SECONDS)


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    folder = tmp_path_factory.mktemp("readme") / "project"
    shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
    with made_to_run(folder) as runner:
        console = folder / "console.log"

        def ready() -> bool:
            assert runner.poll() is None, console.read_text()
            return "Serving until" in console.read_text()

        wait_for(ready, seconds=START_SECONDS)
        [address, *_] = re.findall(r"localhost:\d+", console.read_text())
        yield Newcomer(folder, address)
    assert console.read_text().endswith("Stopping\n")  # make itself ends as Ctrl-C ends it
    assert not (folder / ".local" / "stack.json").exists()


def test_the_first_command_shows_a_session_its_file_and_every_address(newcomer: Newcomer) -> None:
    shown = (newcomer.folder / "console.log").read_text()
    for word in ("Ready after", "Session", "Download", f"ws://{newcomer.address}/api"):
        assert word in shown


@pytest.mark.parametrize("heading", ["Try it", "A first session", "A first conversation"])
def test_what_a_section_says_can_be_typed(newcomer: Newcomer, heading: str) -> None:
    typed = [command for command in commands(heading) if command not in OF_ITS_OWN]
    assert typed or heading == "Try it"
    for command in typed:
        newcomer.types(command)


def test_a_recording_becomes_memories_and_a_file_of_the_library(newcomer: Newcomer) -> None:
    make_mp3(newcomer.folder / "talk.mp3")
    for command in commands("A first recording"):
        newcomer.types(command)


def test_the_snippet_runs(newcomer: Newcomer) -> None:
    [snippet] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (newcomer.folder / "snippet.py").write_text(snippet.replace(ADDRESS, newcomer.address))
    path, seconds, url = newcomer.types("python snippet.py").split()
    assert path.endswith(".wav")
    assert float(seconds) == pytest.approx(7.1, abs=0.1)
    assert url.startswith("http://")


@pytest.mark.parametrize("command", ["make", "make migrate", "make logs FN=JobsWorkerFunction"])
def test_what_make_offers_beside_a_running_stack(newcomer: Newcomer, command: str) -> None:
    assert newcomer.types(command)


def make_mp3(path: Path) -> None:
    sample = ROOT / "local" / "samples" / "speech.wav"
    program = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([program, "-v", "error", "-i", sample, path], check=True)
