"""Each case of the corpus gives what its manifest says, and the hostile ones nothing else."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi.media import assemble
from audioapi.media.errors import DamagedError
from audioapi.media.survey import Limits, Report, survey
from audioapi.media.telephony import telephony
from local.services import ffmpeg
from tests import audio
from tests.corpus import HOSTILE, RECORDINGS, Case, original, reference
from tests.corpus.__main__ import describe
from tests.integration.media.hostile import STRICT, leaks, named, secret_recording
from tests.integration.media.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("nothing_is_left")]

FRAME = 24_000  # what a client sends at once


def session(case: Case, chunks: list[bytes], limits: assemble.Limits | None = None) -> Session:
    return Session(
        chunks,
        declared=case.declared,
        rate=case.sample_rate,
        channels=case.channels,
        limits=limits,
    )


def sent(case: Case) -> Session:
    """The session of the chunks as they are, by the FFmpeg under test."""
    return _sent(case, os.environ["FFMPEG_PATH"])


@cache
def _sent(case: Case, _ffmpeg: str) -> Session:
    return session(case, case.sent())


def seconds(made: Session, case: Case) -> float:
    return made.report.samples / case.sample_rate


def cut(parts: list[bytes], size: int) -> list[bytes]:
    return [chunk for part in parts for chunk in audio.chunks(part, size)]


@named(RECORDINGS)
def test_a_recording_gives_the_samples_of_its_files(case: Case) -> None:
    cuts_of_it = (cut(case.sent(), size) for size in (FRAME, 999))
    for made in (sent(case), *(session(case, chunks) for chunks in cuts_of_it)):
        assert made.samples == reference.samples(case)
        assert made.report.warnings == []
        assert made.report.lost_seconds == 0
    assert seconds(made, case) == pytest.approx(case.seconds, abs=case.within)


FFMPEGS = {
    "wheel": ffmpeg.wheel,
    **({"layer": lambda: ffmpeg.LAYER} if ffmpeg.LAYER.exists() else {}),
    **({"given": ffmpeg.find} if "FFMPEG" in os.environ else {}),
}
"""CI has the first two: what runs on a developer's machine, and what is deployed."""


@pytest.fixture(params=FFMPEGS)
def each_ffmpeg(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FFMPEG_PATH", str(FFMPEGS[request.param]()))


@pytest.mark.usefixtures("each_ffmpeg")
@named([case for case in RECORDINGS if case.encoded])
def test_a_recording_is_the_sound_that_was_encoded(case: Case) -> None:
    original.check(case, sent(case).samples)


@named(RECORDINGS)
def test_all_ffmpegs_make_the_same_of_it(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for program in FFMPEGS.values():
        monkeypatch.setenv("FFMPEG_PATH", str(program()))
        made.append([sent(case).samples, *of_a_file(case)])
    for others in made[1:]:
        for one, other in zip(made[0], others, strict=True):
            assert original.alike(one, other)


def of_a_file(case: Case) -> Iterator[bytes]:
    """What its parts become as one recording, and as one prompt, if they are a whole one."""
    if case.name.startswith("raw"):
        return
    yield b"".join(survey(case.parts(), report=Report()))
    with contextlib.suppress(DamagedError):
        yield b"".join(telephony(case.parts(), limits=Limits()))


@st.composite
def cuts(draw: st.DrawFn, part: bytes) -> list[bytes]:
    """A part cut anywhere, with a liking for its beginning, where the headers are."""
    places = st.integers(0, len(part)) | st.integers(0, min(len(part), 200))
    at = sorted(draw(st.lists(places, max_size=5)))
    return [part[a:b] for a, b in itertools.pairwise([0, *at, len(part)])]


@given(st.sampled_from(RECORDINGS), st.data())
def test_a_recording_cut_anywhere_is_the_same(case: Case, data: st.DataObject) -> None:
    chunks = [chunk for part in case.sent() for chunk in data.draw(cuts(part))]
    made = session(case, chunks)
    assert made.samples == reference.samples(case)
    assert made.report.warnings == []


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return secret_recording(tmp_path_factory.mktemp("private"), rate=44100)


@pytest.mark.usefixtures("each_ffmpeg")
@named([case for case in HOSTILE if case.refused])
def test_what_is_no_recording_is_refused_with_the_reason(case: Case, secret: Path) -> None:
    with pytest.raises(assemble.MediaError, match=case.refused) as refused:
        session(case, cut(case.sent(str(secret)), FRAME), STRICT)
    assert not leaks(str(refused.value).encode())


@pytest.mark.usefixtures("each_ffmpeg")
@named([case for case in HOSTILE if not case.refused])
def test_of_a_damaged_recording_comes_what_can_be_had_and_what_was_lost_is_told(
    case: Case, secret: Path
) -> None:
    made = session(case, cut(case.sent(str(secret)), FRAME), STRICT)
    assert seconds(made, case) == pytest.approx(case.seconds, abs=case.within)
    if case.like:
        assert made.samples == reference.samples(case)
    if case.lost_seconds is None:
        assert made.report.lost_seconds is None
    else:
        assert made.report.lost_seconds == pytest.approx(case.lost_seconds, abs=case.within)
    assert len(made.report.warnings) == len(case.warnings)
    for warning, expected in zip(made.report.warnings, case.warnings, strict=True):
        assert re.search(expected, warning)
        assert not leaks(warning.encode())
    assert not leaks(made.samples)


@pytest.mark.parametrize(
    ("name", "trusting"),
    [
        ("hls-as-mp3", ("-f", "hls", "-allowed_extensions", "ALL")),
        ("ffconcat-as-mp3", ("-f", "concat", "-safe", "0")),
        ("dash-as-mp3", ("-f", "dash", "-allowed_extensions", "ALL")),
        ("mov-with-its-sound-elsewhere", ("-enable_drefs", "1", "-use_absolute_path", "1")),
    ],
)
def test_ffmpeg_would_read_the_secret_if_it_were_let(
    name: str, trusting: tuple[str, ...], secret: Path, tmp_path: Path
) -> None:
    """Else the tests above would prove nothing."""
    [case] = [case for case in HOSTILE if case.name == name]
    [part] = case.sent(str(secret))
    bait = tmp_path / "bait.mp3"
    bait.write_bytes(part)
    command = [str(ffmpeg.wheel()), "-v", "error", *trusting, "-i", str(bait)]
    output = ["-f", "s16le", "-ar", "44100", "-ac", "1", "pipe:1"]
    assert leaks(subprocess.run([*command, *output], capture_output=True, check=True).stdout)
    bait.unlink()


def test_the_corpus_is_made_the_same_everywhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("corpus")
    subprocess.run([sys.executable, "-m", "tests.corpus", str(folder)], check=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    secret = str(folder / "secret.wav")
    assert manifest == json.loads(json.dumps(describe(secret)))
    first = manifest["recordings"][0]
    assert (folder / "recordings" / first["name"] / "000").stat().st_size == (
        first["parts"][0]["bytes"]
    )
