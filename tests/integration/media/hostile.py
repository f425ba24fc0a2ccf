"""What tests hold against hostile files: strict limits, and a secret that none may get at."""

from __future__ import annotations

import random
from operator import attrgetter
from typing import TYPE_CHECKING

import pytest

from audioapi.media.process import Limits
from tests import audio
from tests.corpus import containers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.corpus import Case

STRICT = Limits(
    audio_seconds=60,
    cpu_seconds=10,
    stall_seconds=10,
    memory_bytes=256 * 1024**2,
    disk_bytes=10 * 1024**2,
)
_SAMPLES = random.Random(1).randbytes(44100)
_TITLE = b"the launch codes"


def named(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=attrgetter("name"))


def secret_recording(folder: Path, *, rate: int) -> Path:
    """A recording that nobody may hear, with a title that nobody may read."""
    path = folder / "secret.wav"
    title = containers.chunk(b"LIST", b"INFOINAM" + _TITLE)
    path.write_bytes(audio.wav(_SAMPLES, rate=rate, channels=1) + title)
    return path


def leaks(made: bytes) -> bool:
    return _SAMPLES[1000:1032] in made or _TITLE in made
