"""What FFmpeg makes of a case's files when it is left to itself: whole, from disk, one by one."""

from __future__ import annotations

import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from local.services import ffmpeg

if TYPE_CHECKING:
    from tests.corpus.case import Case


@cache
def samples(case: Case) -> bytes:
    """s16le, interleaved, at the session's rate and channels; by the FFmpeg under test."""
    return b"".join(_decoded(file, case) for file in (case.like or case.parts)())


def _decoded(file: bytes, case: Case) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        whole.write_bytes(file)
        executable = os.environ.get("FFMPEG_PATH") or str(ffmpeg.find())
        # FFmpeg 7 takes the padding behind the end of an MP4's edit list for sound.
        until = ["-t", "1"] if file[4:8] == b"ftyp" and b"mvex" not in file else []
        command = [executable, "-v", "error", *until, "-i", str(whole), "-map", "0:a:0"]
        output = ["-f", "s16le", "-ar", str(case.sample_rate), "-ac", str(case.channels), "pipe:1"]
        return subprocess.run([*command, *output], capture_output=True, check=True).stdout
