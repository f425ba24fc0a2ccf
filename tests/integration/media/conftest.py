"""The FFmpeg under test, for tests that compare with what it does when left to itself; and what
may not be left of a test.
"""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.children import children

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def real_ffmpeg() -> Path:
    return Path(os.environ["FFMPEG_PATH"])  # set for every integration test


@pytest.fixture
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process, no thread, no open file, no file."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    this = psutil.Process()
    processes, files, threads = children(), this.num_fds(), set(threading.enumerate())
    yield
    assert children() <= processes
    assert set(threading.enumerate()) <= threads
    assert this.num_fds() <= files
    assert [*tmp_path.iterdir()] == []
