"""How FFmpeg is treated when it misbehaves; a shell script plays its part."""

from __future__ import annotations

import contextlib
import re
import tempfile
from typing import TYPE_CHECKING, Protocol

import pytest

from audioapi.media.damage import Damage
from audioapi.media.errors import (
    CommandError,
    DamagedError,
    LostSoundError,
    NotAudioError,
    TooLargeError,
    TooLongError,
    TooSlowError,
)
from audioapi.media.ffmpeg import Limits, decode
from audioapi.media.segments import Pcm, Segment
from audioapi.media.sniff import Container
from tests.children import children

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    class Fake(Protocol):
        """Installs a script as FFmpeg, which first says how many samples it `decoded`."""

        def __call__(self, script: str, *, decoded: int = 2) -> None: ...


PCM = Pcm("s16le", 8000, 1)
FORMAT = "[graph_0_in_0:0 @ 0x7f] [verbose] tb:1/8000 samplefmt:s16 samplerate:8000 chlayout:mono"
DECODED = (
    "[in#0/s16le @ 0x15] [verbose]   Input stream #0:0 (audio): 9 packets read (999 bytes); "
    "9 frames decoded; 0 decode errors ({} samples); "
)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    def install(script: str, *, decoded: int = 2) -> None:
        executable = tmp_path / "fake-ffmpeg"
        account = f"echo '{FORMAT}\n{DECODED.format(decoded)}' >&2" if decoded else ""
        executable.write_text(f"#!/bin/sh\n{account}\n{script}\n")
        executable.chmod(0o755)
        monkeypatch.setenv("FFMPEG_PATH", str(executable))

    return install


@pytest.fixture
def started() -> Callable[[], int]:
    """How many processes there are that this test has started."""
    before = children()
    return lambda: len(children() - before)


def decoded(data: Iterable[bytes] = (), kind: Pcm | Container = PCM, **limits: float) -> bytes:
    segment = Segment(kind, iter(data))
    return b"".join(
        decode(segment, sample_rate=8000, channels=1, limits=Limits(**limits))  # type: ignore[arg-type]
    )


def test_what_goes_in_and_out_is_not_held_in_memory_nor_in_the_way(fake: Fake) -> None:
    fake("exec cat", decoded=5_000_000)
    data = [bytes([number]) * 100_000 for number in range(100)]
    assert decoded(data) == b"".join(data)


def test_the_environment_is_empty(fake: Fake) -> None:
    fake('echo "$HOME$AWS_SECRET_ACCESS_KEY"; pwd')
    assert decoded() == b"\n/\n"


def test_a_path_may_be_relative(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("exec cat")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FFMPEG_PATH", "./fake-ffmpeg")
    assert decoded([b"1234"]) == b"1234"


def test_a_file_that_needs_seeking_is_handed_over_as_one_that_nobody_else_can_open(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(f"tail -c 2 /dev/fd/0; head -c 2 /dev/fd/0; ls {tmp_path}/spool")
    (tmp_path / "spool").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spool"))
    assert decoded([b"mo", b"ov"], Container.MP4) == b"ovmo"


def test_such_a_file_may_not_fill_the_disk(fake: Fake) -> None:
    fake("exec cat", decoded=50)
    assert decoded([bytes(50), bytes(50)], Container.MP4, disk_bytes=100) == bytes(100)
    with pytest.raises(TooLargeError, match=r"MP4 .* a file of its kind may have 100 bytes"):
        decoded([bytes(50), bytes(51)], Container.MP4, disk_bytes=100)


def test_one_that_stands_still_is_ended(fake: Fake, started: Callable[[], int]) -> None:
    fake("exec sleep 60")
    with pytest.raises(TooSlowError, match=r"FFmpeg stood still for 0\.1 s"):
        decoded(stall_seconds=0.1)
    assert started() == 0


def test_one_that_uses_up_its_cpu_is_ended(fake: Fake) -> None:
    fake("while :; do :; done")
    with pytest.raises(TooSlowError, match="FFmpeg took more than 1 s of CPU"):
        decoded(cpu_seconds=1)


def test_one_that_writes_files_cannot(fake: Fake, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    fake(f"exec 2>/dev/null; read line; echo secrets > {elsewhere}; cat {elsewhere}")
    with pytest.raises(ChildProcessError, match="SIGXFSZ"):
        decoded([b"begin\n"])
    assert elsewhere.read_text() == ""


def test_more_sound_than_allowed_is_an_error_not_an_end(
    fake: Fake, started: Callable[[], int]
) -> None:
    fake("exec cat /dev/zero")
    with pytest.raises(TooLongError, match="It holds more than 10 s of sound"):
        decoded(audio_seconds=10)
    assert started() == 0


def test_a_reader_that_goes_away_leaves_no_process(fake: Fake, started: Callable[[], int]) -> None:
    fake("exec cat /dev/zero")
    with contextlib.closing(decode(Segment(PCM, iter(())), sample_rate=8000, channels=1)) as pcm:
        assert next(pcm)
        assert started() == 1
    assert started() == 0


def test_an_error_of_the_source_is_the_readers(fake: Fake, started: Callable[[], int]) -> None:
    def broken() -> Iterable[bytes]:
        yield bytes(100)
        raise OSError("S3 is gone")

    fake("exec cat")
    with pytest.raises(OSError, match="S3 is gone"):
        decoded(broken())
    assert started() == 0


def test_a_complaint_is_what_a_person_understands(fake: Fake) -> None:
    fake(
        'printf "%04d" 1; '
        'echo "[mp3 @ 0x15b4bec0] [info] by the way" >&2; '
        'echo "[mp3 @ 0x15b4bec0] [error] Header missing" >&2; '
        'echo "[in#0 @ 0x15b4bb80] [error] Error opening input" >&2'
    )
    samples = decode(Segment(PCM, iter(())), sample_rate=8000, channels=1)
    assert next(samples) == b"0001"
    with pytest.raises(StopIteration) as end:
        next(samples)
    assert end.value.value == Damage("Header missing", None)


@pytest.mark.parametrize(
    ("script", "error", "reason"),
    [
        ('echo "[error] moov atom not found" >&2; exit 183', NotAudioError, "moov atom not found"),
        ('echo "[fatal] Stream map matches no streams." >&2', NotAudioError, "no audio track"),
        ("exit 0", NotAudioError, "There is no sound in it"),
        ('echo 1234567; echo "[error] Gave up" >&2; exit 69', DamagedError, "Gave up"),
        ("echo 1234567; exit 69", DamagedError, r"FFmpeg gave up \(exit status 69\)"),
        ("kill -9 $$", ChildProcessError, "SIGKILL"),
        ("echo 1234567; exit 255", ChildProcessError, "a signal"),
    ],
)
def test_its_end_says_what_the_bytes_are_worth(
    fake: Fake, script: str, error: type[Exception], reason: str
) -> None:
    fake(script)
    with pytest.raises(error, match=reason):
        decoded()


def test_what_came_before_the_damage_is_handed_out(fake: Fake) -> None:
    fake("echo 1234567; exit 69")
    samples = decode(Segment(PCM, iter(())), sample_rate=8000, channels=1)
    assert next(samples) == b"1234567\n"
    with pytest.raises(DamagedError):
        next(samples)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("640", r"^1\.000 s were decoded, but what came out has 0\.040 s$"),
        ("16100", r"^1\.000 s were decoded, but what came out has 1\.006 s$"),
    ],
)
@pytest.mark.parametrize("end", ["exit 0", 'echo "[error] Header missing" >&2; exit 69'])
def test_another_length_than_was_decoded_is_no_damage(
    fake: Fake, made: str, told: str, end: str
) -> None:
    fake(f"head -c {made} /dev/zero; {end}", decoded=8000)
    with pytest.raises(LostSoundError, match=told):
        decoded()


def test_nor_is_a_length_that_nothing_vouches_for(fake: Fake) -> None:
    fake("echo 1234567", decoded=0)
    with pytest.raises(CommandError, match="FFmpeg doesn't say how much it decoded"):
        decoded()


@pytest.mark.parametrize(
    "said",
    [
        "[error] Unrecognized option 'nonsense'.",
        "[AVFilterGraph @ 0x5593927d3100] [error] No such filter: 'nonsense'",
        "[error] Error applying option 'framelog' to filter 'ebur128': Invalid argument",
        "[ebur128 @ 0x5593927d3b00] [error] Error setting option framelog to value nonsense.",
        "[af#0:0 @ 0x1a4f5140] [error] Error reinitializing filters!",
    ],
)
@pytest.mark.parametrize("samples", ["", "echo 1234567; "])
def test_what_it_was_asked_to_do_in_vain_is_no_damage(fake: Fake, said: str, samples: str) -> None:
    fake(f'{samples}echo "{said}" >&2; exit 234')
    reason = re.escape(said.rpartition("[error] ")[2])
    with pytest.raises(CommandError, match=f"asked to: {reason}$"):
        decoded()


def test_one_that_stops_reading_is_told(fake: Fake) -> None:
    fake("exec head -c 4")
    endless = iter(lambda: bytes(100_000), b"")
    samples = decode(Segment(PCM, endless), sample_rate=8000, channels=1)
    assert next(samples) == bytes(4)
    with pytest.raises(StopIteration) as end:
        next(samples)
    assert end.value.value == Damage("FFmpeg took something in it for the end", None)


def test_messages_without_end_are_not_kept(fake: Fake) -> None:
    fake('echo "[error] Header missing" >&2; head -c 1000000 /dev/zero >&2; echo 123')
    samples = decode(Segment(PCM, iter(())), sample_rate=8000, channels=1)
    assert b"".join(samples) == b"123\n"


def test_no_ffmpeg_is_said_plainly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FFMPEG_PATH", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"neither on PATH nor named by FFMPEG_PATH"):
        decoded()
