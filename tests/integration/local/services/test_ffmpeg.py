"""Whatever a machine has, functions find an FFmpeg that runs."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from local.services import ffmpeg

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def version(program: Path) -> str:
    return subprocess.run(
        [program, "-version"], check=True, capture_output=True, text=True, env={}
    ).stdout


def test_it_runs_under_its_name_and_with_nothing_in_its_environment(tmp_path: Path) -> None:
    folder = ffmpeg.link(tmp_path / "bin")
    assert version(folder / "ffmpeg").startswith("ffmpeg version")
    assert ffmpeg.link(folder) == folder, "a second start finds the first one's link"


def test_the_layers_own_build_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = tmp_path / "ffmpeg"
    build.touch(mode=0o755)
    monkeypatch.setattr(ffmpeg, "LAYER", build)
    assert ffmpeg.find() == build


def test_then_one_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "ffmpeg"
    installed.touch(mode=0o755)
    monkeypatch.setattr(ffmpeg, "LAYER", tmp_path / "nothing")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ffmpeg.find() == installed


def test_then_the_one_of_imageio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "LAYER", tmp_path / "nothing")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert version(ffmpeg.find()).startswith("ffmpeg version")
