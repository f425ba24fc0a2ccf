"""The FFmpeg under test, for tests that compare with what it does when left to itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def real_ffmpeg() -> Path:
    return Path(os.environ["FFMPEG_PATH"])  # set for every integration test
