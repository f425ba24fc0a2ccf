from __future__ import annotations

import random

import pytest

from audioapi.media.sniff import HEAD_BYTES, Container, not_audio, sniff, starts_file

MP3_FRAME = b"\xff\xfb\x90\x00".ljust(417, b"\x55")  # MPEG-1 Layer III, 128 kbit/s, 44.1 kHz
LOW_MP3_FRAME = b"\xff\xf3\x48\xc4".ljust(144, b"\x55")  # MPEG-2 Layer III, 32 kbit/s, 16 kHz
MP2_FRAME = b"\xff\xfd\x84\x00".ljust(384, b"\x55")  # MPEG-1 Layer II, 128 kbit/s, 48 kHz
ADTS_FRAME = b"\xff\xf1\x50\x80\x19\x00\xfc".ljust(200, b"\x55")
FTYP = b"\x00\x00\x00\x10ftypiso5\x00\x00\x00\x00"
XING_FRAME = b"\xff\xfb\x90\xc4" + bytes(17) + b"Info" + bytes(392)


def id3(content: bytes) -> bytes:
    size = len(content)
    return b"ID3\x04\x00\x00\x00\x00" + bytes([size >> 7, size & 0x7F]) + content


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", Container.WAV),
        (b"RF64\xff\xff\xff\xffWAVEds64", Container.WAV),
        (b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00", Container.W64),
        (b"fLaC\x00\x00\x00\x22\x10\x00", Container.FLAC),
        (b"OggS\x00\x02" + bytes(20), Container.OGG),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86", Container.MATROSKA),
        (b"\x00\x00\x00\x1cftypM4A ", Container.MP4),
        (FTYP + b"\x00\x00\x00\x10moov\x00\x00\x00\x08mvhd", Container.MP4),
        (FTYP + b"\x00\x00\x00\x10moov\x00\x00\x00\x08mvex", Container.FMP4),
        (FTYP + b"\x00\x00\x00\x08free\x00\x00\x00\x10moov\x00\x00\x00\x08mvex", Container.FMP4),
        (FTYP + b"\x00\x00\x00\x00moov\x00\x00\x00\x08mvex", Container.MP4),
        (b"FORM\x00\x00\x00\x00AIFFCOMM", Container.AIFF),
        (b"caff\x00\x01\x00\x00desc", Container.CAF),
        (b"#!AMR\n", Container.AMR),
        (MP3_FRAME * 2, Container.MP3),
        (LOW_MP3_FRAME * 2, Container.MP3),
        (MP2_FRAME * 2, Container.MP3),
        (MP3_FRAME, Container.MP3),
        (ADTS_FRAME * 2, Container.ADTS),
        (id3(b"a title") + MP3_FRAME * 2, Container.MP3),
        (id3(b"a title") + b"fLaC\x00\x00\x00\x22", Container.FLAC),
        (id3(b"a title") + ADTS_FRAME * 2, Container.ADTS),
        (id3(bytes(9000))[:HEAD_BYTES], Container.MP3),
    ],
)
def test_tells_a_file_by_its_first_bytes(head: bytes, kind: Container) -> None:
    assert sniff(head) is kind
    assert not_audio(head) is None or kind is Container.AMR


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"RIFF\x24\x00\x00\x00WAV",
        b"RIFF\x24\x00\x00\x00AVI LIST",
        MP3_FRAME[:4] + bytes(2000),
        MP3_FRAME[:100],
        ADTS_FRAME + bytes(100),
        MP3_FRAME + LOW_MP3_FRAME,
        b"\xff\xfb\xf0\x00" * 1000,
        bytes(HEAD_BYTES),
    ],
)
def test_does_not_guess(head: bytes) -> None:
    assert sniff(head) is None


def test_raw_samples_hardly_ever_look_like_a_file() -> None:
    rng = random.Random(1)
    taken_for_files = [sniff(b"\xff" + rng.randbytes(2000)) for _ in range(5000)]
    assert taken_for_files == [None] * 5000


@pytest.mark.parametrize(
    ("head", "starts"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", True),
        (b"OggS\x00\x02" + bytes(20), True),
        (b"OggS\x00\x00" + bytes(20), False),
        (b"OggS\x00", False),
        (id3(b"a title"), True),
        (XING_FRAME, True),
        (MP3_FRAME * 2, False),
        (ADTS_FRAME * 2, False),
        (b"", False),
    ],
)
def test_a_frame_in_the_middle_is_no_new_file(head: bytes, starts: bool) -> None:  # noqa: FBT001 — a parameter
    assert starts_file(head) is starts


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "a PNG image"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "a JPEG image"),
        (b"%PDF-1.7\n\xe2\xe3", "a PDF document"),
        (b"PK\x03\x04\x14\x00", "a ZIP archive"),
        (b"\x1f\x8b\x08\x00", "gzip data"),
        (b"\x7fELF\x02\x01", "an ELF program"),
        (b"RIFF\x24\x00\x00\x00AVI LIST", "an AVI video"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "a WebP image"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "an HLS playlist"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "an ffconcat playlist"),
        (b"<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'>", "a DASH manifest"),
        (b"\n <!DOCTYPE html><title>404</title>", "an HTML page"),
        (b'{"type": "audio"}', "text"),
        ("\ufeffein Gruß".encode(), "text"),
        ("ein Gruß".encode()[:-1], "text"),
    ],
)
def test_names_what_is_no_audio(head: bytes, what: str) -> None:
    assert not_audio(head) == what


@pytest.mark.parametrize("head", [b"", b"\x00\x00\x01\x00", b"hello\x00", b"\xc3\x28text"])
def test_names_nothing_that_it_does_not_know(head: bytes) -> None:
    assert not_audio(head) is None
