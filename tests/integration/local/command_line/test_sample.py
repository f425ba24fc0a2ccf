"""What `make demo` accepts as the right file."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import pytest

from local.command_line.sample import Checked, CheckError, check, check_window

if TYPE_CHECKING:
    from pathlib import Path


def wav(path: Path, frames: bytes, *, rate: int = 8000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(frames)
    return path


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    return wav(tmp_path / "sent.wav", bytes(range(200)) * 800)


def test_equal_samples_pass(sent: Path, tmp_path: Path) -> None:
    got = wav(tmp_path / "got.wav", bytes(range(200)) * 800)
    assert check(sent, got, 10.0) == Checked(80_000, compared=True)


@pytest.mark.parametrize(
    ("frames", "duration", "complaint"),
    [
        (bytes(range(200)) * 799 + bytes(200), 10.0, "a sample between 65536 and 131072 is other"),
        (bytes(range(200)) * 400, 5.0, "80000 samples were sent and 40000 came out"),
        (bytes(range(200)) * 800, 9.0, "the file lasts 10.000 s; its session says 9.000 s"),
        (b"", 0.0, "the file has no samples"),
    ],
)
def test_any_other_file_fails(
    sent: Path, tmp_path: Path, frames: bytes, duration: float, complaint: str
) -> None:
    with pytest.raises(CheckError, match=complaint):
        check(sent, wav(tmp_path / "got.wav", frames), duration)


def test_what_was_decoded_or_converted_is_measured_only(sent: Path, tmp_path: Path) -> None:
    got = wav(tmp_path / "got.wav", bytes(32_000), rate=16_000)
    mp3 = tmp_path / "sent.mp3"
    mp3.write_bytes(b"\xff\xfb\x90\x00")
    assert check(sent, got, 1.0) == Checked(16_000, compared=False)
    assert check(mp3, got, 1.0) == Checked(16_000, compared=False)


def test_a_memory_is_the_recordings_beginning(tmp_path: Path) -> None:
    recording = wav(tmp_path / "result.wav", bytes(range(200)) * 800, rate=16_000)
    window = wav(tmp_path / "window.wav", bytes(range(200)) * 480, rate=16_000)
    assert check_window(recording, window, 3.0, windows=2) == Checked(48_000, compared=True)


def test_a_memory_of_another_rate_is_measured_only(sent: Path, tmp_path: Path) -> None:
    window = wav(tmp_path / "window.wav", bytes(32_000), rate=16_000)
    assert check_window(sent, window, 1.0, windows=10) == Checked(16_000, compared=False)


@pytest.mark.parametrize(
    ("frames", "duration", "windows", "complaint"),
    [
        (bytes(range(1, 201)) * 160, 1.0, 5, "the memory sounds other than the recording"),
        (bytes(range(200)) * 160, 2.0, 5, "the memory lasts 1.000 s; the API says 2.000 s"),
        (bytes(range(200)) * 160, 1.0, 1, "of 1 memories the first lasts 1.000 s, the recording 5"),
        (bytes(range(200)) * 160, 1.0, 4, "of 4 memories the first lasts 1.000 s"),
        (b"", 0.0, 1, "of 1 memories the first lasts 0.000 s"),
    ],
)
def test_any_other_memory_fails(
    tmp_path: Path, frames: bytes, duration: float, windows: int, complaint: str
) -> None:
    recording = wav(tmp_path / "result.wav", bytes(range(200)) * 800, rate=16_000)
    window = wav(tmp_path / "window.wav", frames, rate=16_000)
    with pytest.raises(CheckError, match=complaint):
        check_window(recording, window, duration, windows=windows)
