"""The README's own commands, in its order, in a copy of the project with `make run` in it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import imageio_ffmpeg  # type: ignore[import-untyped]
import pytest

from tests.e2e.newcomer import ADDRESS, SAMPLE, SAMPLE_SECONDS

if TYPE_CHECKING:
    from tests.e2e.newcomer import Newcomer

README = Path("README.md").read_text()
OF_ITS_OWN = {
    "make run": "the stack that all others talk to",
    "make test": "runs this",
    "source .venv/bin/activate": "in the environment",
}


def commands(heading: str) -> list[str]:
    """Those of the section's shell blocks, lines that go on joined."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    text = "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL)).replace("\\\n", "")
    return [line.partition(" #")[0].rstrip() for line in text.splitlines() if line]


def test_the_first_command_shows_a_session_its_file_and_every_address(newcomer: Newcomer) -> None:
    for word in ("Ready after", "Session", "Download", f"ws://{newcomer.address}/api"):
        assert word in newcomer.shown


@pytest.mark.parametrize("heading", ["Try it", "A first session", "A first conversation"])
def test_what_a_section_says_can_be_typed(newcomer: Newcomer, heading: str) -> None:
    typed = [command for command in commands(heading) if command not in OF_ITS_OWN]
    assert typed or heading == "Try it"
    for command in typed:
        newcomer.types(command)


def test_a_recording_becomes_memories_and_a_file_of_the_library(newcomer: Newcomer) -> None:
    make_mp3(newcomer.folder / SAMPLE, newcomer.folder / "talk.mp3")
    for command in commands("A first recording"):
        newcomer.types(command)


def test_the_snippet_runs(newcomer: Newcomer) -> None:
    [snippet] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (newcomer.folder / "snippet.py").write_text(snippet.replace(ADDRESS, newcomer.address))
    path, seconds, url = newcomer.types("python snippet.py").split()
    assert path.endswith(".wav")
    assert float(seconds) == pytest.approx(SAMPLE_SECONDS)
    assert url.startswith("http://")


@pytest.mark.parametrize("command", ["make", "make migrate", "make logs FN=JobsWorkerFunction"])
def test_what_make_offers_beside_a_running_stack(newcomer: Newcomer, command: str) -> None:
    assert newcomer.types(command)


def make_mp3(sample: Path, path: Path) -> None:
    program = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([program, "-v", "error", "-i", sample, path], check=True)
