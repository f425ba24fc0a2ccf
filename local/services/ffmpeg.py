"""The FFmpeg that functions get on this machine, where no layer is mounted."""

from __future__ import annotations

import shutil
from pathlib import Path

LAYER = Path(__file__).parents[2] / "layers" / "ffmpeg" / ".build" / "bin" / "ffmpeg"


def find() -> Path:
    """The layer's own build if it has been made, else one on PATH, else imageio-ffmpeg's."""
    if LAYER.exists():
        return LAYER
    if on_path := shutil.which("ffmpeg"):
        return Path(on_path)
    import imageio_ffmpeg  # type: ignore[import-untyped]  # noqa: PLC0415 - where there is no other

    return Path(imageio_ffmpeg.get_ffmpeg_exe())


def link(folder: Path) -> Path:
    """`folder`, with what `find` finds in it under the name of `ffmpeg`: to go first on a PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    name = folder / "ffmpeg"
    name.unlink(missing_ok=True)
    name.symlink_to(find().resolve())
    return folder
