from __future__ import annotations

import io
import struct
import wave

import pytest

from audio_client.wav import WavFormat, read_format


def wav_file(sample_rate: int, channels: int) -> io.BytesIO:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(sample_rate)
        writer.writeframes(bytes(400))
    file.seek(0)
    return file


def test_the_header_tells_the_format_and_the_file_is_at_its_start() -> None:
    file = wav_file(48000, 2)

    assert read_format(file) == WavFormat(48000, 2, 192_000)
    assert file.tell() == 0


def test_other_chunks_may_come_first_and_the_encoding_be_float() -> None:
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, 16000, 64_000, 4, 32)
    junk = struct.pack("<4sI", b"JUNK", 3) + b"abc\0"
    file = io.BytesIO(b"RF64" + b"\xff" * 4 + b"WAVE" + junk + fmt)

    assert read_format(file) == WavFormat(16000, 1, 64_000)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"ID3\4" + bytes(40), b"RIFF\0\0\0\0WAVE"])
def test_what_is_no_wav_file_has_no_format(content: bytes) -> None:
    file = io.BytesIO(content)

    assert read_format(file) is None
    assert file.tell() == 0
