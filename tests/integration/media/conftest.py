"""The FFmpeg that these tests run: FFMPEG_PATH's, else the one that the local stack would take."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local import ffmpeg


@pytest.fixture(autouse=True)
def real_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> Path:
    executable = Path(os.environ.get("FFMPEG_PATH") or ffmpeg.find())
    monkeypatch.setenv("FFMPEG_PATH", str(executable))
    return executable
