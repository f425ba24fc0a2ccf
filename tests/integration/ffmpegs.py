"""FFmpegs that do other than they should: the real one, with a script between it and us."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_VERSION_5_1 = "ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026 the FFmpeg developers"
_NOT_QUIET = "[ebur128 @ 0x55] [error] Error setting option framelog to value quiet."


def breaking_off(folder: Path, *, samples: int) -> Path:
    """One that hands out so many samples of 16 bits, and says nothing of the others."""
    return _script(folder, f'"$real" "$@" | {{ head -c {2 * samples}; cat >/dev/null; }}')


def of_debian_12(folder: Path) -> Path:
    """One as FFmpeg 5.1, whose `ebur128` can't be quiet: after 40 ms of sound at 16 kHz it ends for
    that, as it would end for a damaged file.
    """
    return _script(
        folder,
        f'[ "$*" = "-hide_banner -version" ] && echo "{_VERSION_5_1}" && exit',
        'case "$*" in *framelog=quiet*)',
        f"  echo '{_NOT_QUIET}' >&2; head -c 1280 /dev/zero; exit 1",
        "esac",
        'exec "$real" "$@"',
    )


def _script(folder: Path, *lines: str) -> Path:
    program = folder / "ffmpeg"
    real = f"real='{os.environ['FFMPEG_PATH']}'"
    program.write_text("\n".join(["#!/bin/sh", real, *lines, ""]))
    program.chmod(0o755)
    return program
