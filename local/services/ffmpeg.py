"""The FFmpeg that functions get on this machine, where no layer is mounted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parents[2]
_LAYER_SOURCE = _ROOT / "layers" / "ffmpeg"
LAYER = _LAYER_SOURCE / ".build" / "bin" / "ffmpeg"
_PARTS = "demuxer", "decoder", "filter", "encoder", "muxer"


class FfmpegError(RuntimeError):
    """There is no FFmpeg that could be taken; the message says why."""


def find() -> Path:
    """The one that FFMPEG names, else the layer's build if it has been made, else the pinned
    wheel's: never one that happens to be on PATH. Raises FfmpegError.
    """
    if given := os.environ.get("FFMPEG"):
        return _checked(Path(given))
    return LAYER if LAYER.exists() else wheel()


def wheel() -> Path:
    """imageio-ffmpeg's own; its `get_ffmpeg_exe` gives others too, of the machine. Raises
    FfmpegError where the wheel has none.
    """
    import imageio_ffmpeg  # type: ignore[import-untyped]  # noqa: PLC0415 - where there is no other

    programs = [*(Path(imageio_ffmpeg.__file__).parent / "binaries").glob("ffmpeg-*")]
    if not programs:
        raise FfmpegError(
            "imageio-ffmpeg brings no FFmpeg for this machine: make ffmpeg builds one, "
            "and FFMPEG=/path names one"
        )
    return programs[0]


def link(folder: Path) -> Path:
    """`folder`, with what `find` finds in it under the name of `ffmpeg`: to go first on a PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    name = folder / "ffmpeg"
    name.unlink(missing_ok=True)
    name.symlink_to(find().resolve())
    return folder


@cache
def _checked(program: Path) -> Path:
    """Raises FfmpegError for one that can't do what the layer's can."""
    try:
        said = _said(program, "-version")
    except (OSError, subprocess.CalledProcessError) as error:
        raise FfmpegError(f"FFMPEG={program} can't be run: {error}") from error
    if not (version := re.match(r"ffmpeg version (\S+)", said)):
        raise FfmpegError(f"FFMPEG={program} is no FFmpeg")
    if reasons := [*_lacking(program)] or [*_failures(program)]:
        named = f"FFMPEG={program}, version {version.group(1)}"
        raise FfmpegError(f"{named}, is refused: {'; '.join(reasons)}")
    return program


def _said(program: Path, *arguments: str) -> str:
    command = [str(program.absolute()), "-hide_banner", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env={}).stdout


def _lacking(program: Path) -> Iterator[str]:
    """What the layer is built with, by its makefile, and this one isn't."""
    makefile = (_LAYER_SOURCE / "Makefile").read_text(encoding="utf-8")
    for part in _PARTS:
        lists = re.findall(rf"--enable-{part}=(\S+)", makefile)
        wanted = {_name(part, name) for name in ",".join(lists).split(",")}
        lines = (line.split() for line in _said(program, f"-{part}s").splitlines())
        known = {name for line in lines if len(line) > 1 for name in line[1].split(",")}
        if missing := sorted(wanted - known):
            yield f"it has no {part} {', '.join(missing)}"


def _name(part: str, configured: str) -> str:
    """Formats of samples alone have longer names where FFmpeg is configured."""
    return configured.removeprefix("pcm_") if part in ("demuxer", "muxer") else configured


def _failures(program: Path) -> Iterator[str]:
    """What goes wrong when it does what functions ask of one: options differ from FFmpeg to FFmpeg,
    and no list says which it has.
    """
    tried = subprocess.run(
        [sys.executable, "-m", "local.services.trial"],
        cwd=_ROOT,
        env={"FFMPEG_PATH": str(program.absolute()), "PYTHONPATH": str(_ROOT / "layers" / "core")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if tried.returncode:
        yield tried.stdout.strip()
