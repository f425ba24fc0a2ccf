"""Whatever a machine has, functions find an FFmpeg that runs."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import imageio_ffmpeg  # type: ignore[import-untyped]
import pytest

from local.services import ffmpeg
from tests.integration import ffmpegs

if TYPE_CHECKING:
    from pathlib import Path


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


def test_then_the_pinned_wheels_whatever_is_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "ffmpeg"
    installed.touch(mode=0o755)
    monkeypatch.setattr(ffmpeg, "LAYER", tmp_path / "nothing")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(installed))
    assert ffmpeg.find() == ffmpeg.wheel()
    assert version(ffmpeg.find()).startswith("ffmpeg version 7.")


def test_a_machine_that_the_wheel_has_none_for_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imageio_ffmpeg, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(ffmpeg.FfmpegError, match=r"make ffmpeg builds one, and FFMPEG=/path"):
        ffmpeg.wheel()


def test_another_is_taken_if_it_can_do_what_is_asked_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "my-ffmpeg"
    own.symlink_to(ffmpeg.wheel())
    monkeypatch.setenv("FFMPEG", str(own))
    assert ffmpeg.find() == own


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 1", r"can't be run: .* returned non-zero exit status 1"),
        ("echo sox", "is no FFmpeg"),
        (
            'echo "ffmpeg version 4.0-tiny"',
            r"version 4\.0-tiny, is refused: it has no demuxer aac, .*; it has no filter .*ebur128",
        ),
    ],
)
def test_one_that_lacks_something_is_refused_by_name_and_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    own = tmp_path / "my-ffmpeg"
    own.write_text(f"#!/bin/sh\n{script}\n")
    own.chmod(0o755)
    monkeypatch.setenv("FFMPEG", str(own))
    with pytest.raises(ffmpeg.FfmpegError, match=f"^FFMPEG={own},? {reason}"):
        ffmpeg.find()


def test_so_is_one_that_lacks_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = ffmpegs.of_debian_12(tmp_path)
    monkeypatch.setenv("FFMPEG", str(own))
    with pytest.raises(ffmpeg.FfmpegError) as refused:
        ffmpeg.find()
    assert str(refused.value) == (
        f"FFMPEG={own}, version 5.1.9-0+deb12u1, is refused: FFmpeg can't do what it is asked to: "
        "Error setting option framelog to value quiet."
    )


def test_and_one_that_loses_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = ffmpegs.breaking_off(tmp_path, samples=30_000)  # its lists come through
    monkeypatch.setenv("FFMPEG", str(own))
    with pytest.raises(ffmpeg.FfmpegError, match=r"1\.000 s were decoded, but what came out has 0"):
        ffmpeg.find()
