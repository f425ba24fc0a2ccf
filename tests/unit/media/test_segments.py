from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioapi.media.errors import NotAudioError
from audioapi.media.segments import Pcm, split
from audioapi.media.sniff import HEAD_BYTES, Container
from tests import audio

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SESSION = Pcm("s16le", 16000, 1)
SAMPLES = audio.pcm(rate=8000, channels=2, seconds=0.05)
WAV = audio.wav(SAMPLES, rate=8000, channels=2)
WAV_KIND = Pcm("s16le", 8000, 2)
LIST = struct.pack("<4sI", b"LIST", 10) + b"INFOISFT\x00\x00"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(50)
FLAC = b"fLaC\x80\x00\x00\x22" + bytes(100)
MP3_FRAME = b"\xff\xfb\x90\xc4".ljust(417, b"\x55")
MP3 = MP3_FRAME[:21] + b"Info" + bytes(392) + MP3_FRAME
TAGGED_MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x07a title" + MP3


class Stream:
    """What the segments of a stream are, and what was said against them."""

    def __init__(self, chunks: Iterable[bytes], declared: Container | Pcm = SESSION) -> None:
        self.warnings: list[str] = []
        self.segments = [
            (segment.kind, b"".join(segment.data))
            for segment in split(
                chunks, declared=declared, warn=lambda text, *_: self.warnings.append(text)
            )
        ]


@st.composite
def cuts(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The data in chunks cut anywhere, some of them empty."""
    at = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


# Every sign of a file, or of text, has other bytes, and a cut may put any at the start of a chunk.
samples_that_tell_nothing = st.lists(st.integers(0, 8), min_size=1, max_size=200).map(bytes)


@given(cuts(WAV))
def test_pieces_of_one_wav_are_one_segment(chunks: list[bytes]) -> None:
    stream = Stream(chunks)
    assert stream.segments == [(WAV_KIND, SAMPLES)]
    assert stream.warnings == []


def test_even_single_bytes_are() -> None:
    assert Stream(audio.chunks(WAV, 1)).segments == [(WAV_KIND, SAMPLES)]


@given(cuts(WAV + WAV + audio.wav(SAMPLES, rate=44100, channels=1)))
def test_a_wav_after_a_wav_is_a_segment_of_its_own(chunks: list[bytes]) -> None:
    assert Stream(chunks).segments == [
        (WAV_KIND, SAMPLES),
        (WAV_KIND, SAMPLES),
        (Pcm("s16le", 44100, 1), SAMPLES),
    ]


def listed(samples: bytes) -> bytes:
    """A mono WAV of 8-bit samples, padded if these are odd, with a LIST chunk behind them."""
    data = samples + bytes(len(samples) % 2)
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    body = b"WAVE" + fmt + struct.pack("<4sI", b"data", len(samples)) + data + LIST
    return struct.pack("<4sI", b"RIFF", len(body)) + body


@given(st.data(), samples_that_tell_nothing)
def test_what_a_writer_appended_is_no_sound(data: st.DataObject, samples: bytes) -> None:
    stream = Stream(data.draw(cuts(listed(samples) + listed(samples) + WAV)))
    eight_bit = Pcm("u8", 8000, 1)
    assert stream.segments == [(eight_bit, samples), (eight_bit, samples), (WAV_KIND, SAMPLES)]
    assert stream.warnings == []


@pytest.mark.parametrize("size", [b"\x00\x00\x00\x00", b"\xff\xff\xff\xff"])
def test_a_wav_of_unknown_size_goes_on_until_a_chunk_begins_a_file(size: bytes) -> None:
    streamed = WAV[:4] + size + WAV[8:40] + size + SAMPLES
    stream = Stream([*audio.chunks(streamed, 100), *audio.chunks(streamed, 7)])
    assert stream.segments == [(WAV_KIND, SAMPLES), (WAV_KIND, SAMPLES)]
    assert stream.warnings == []


def test_a_header_without_samples_does_not_swallow_the_next_file() -> None:
    stream = Stream([WAV[:40] + bytes(4), WAV])
    assert stream.segments == [(WAV_KIND, b""), (WAV_KIND, SAMPLES)]


def test_a_wav_that_breaks_off_gives_what_came() -> None:
    stream = Stream([WAV[:1001], WAV])
    assert stream.segments == [(WAV_KIND, SAMPLES[:956]), (WAV_KIND, SAMPLES)]
    assert stream.warnings == [
        "At byte 1001: A WAV ends early: its header promises 1600 bytes of samples, 957 came",
        "At byte 1001: The last sample is cut off: 1 of its 4 bytes came",
    ]


def test_a_long_header_is_read_to_its_end() -> None:
    cover = struct.pack("<4sI", b"LIST", 100_000) + bytes(100_000)
    assert Stream(audio.chunks(WAV[:12] + cover + WAV[12:], 4096)).segments == [(WAV_KIND, SAMPLES)]


def test_a_wav_that_is_not_plain_samples_is_left_to_its_demuxer() -> None:
    adpcm = WAV[:20] + b"\x11\x00" + WAV[22:]
    assert Stream([adpcm + adpcm]).segments == [(Container.WAV, adpcm), (Container.WAV, adpcm)]


@given(st.data(), samples_that_tell_nothing)
def test_bytes_that_tell_nothing_are_samples_of_the_session(
    data: st.DataObject, samples: bytes
) -> None:
    stream = Stream(data.draw(cuts(samples)))
    whole = len(samples) - len(samples) % 2
    assert stream.segments == [(SESSION, samples[:whole])]
    assert len(stream.warnings) == len(samples) % 2


def test_or_what_they_were_declared_to_be() -> None:
    middle_of_a_file = bytes(100)
    stream = Stream([middle_of_a_file], declared=Container.MP3)
    assert stream.segments == [(Container.MP3, middle_of_a_file)]


def test_samples_go_on_after_a_wav_if_a_chunk_begins_there() -> None:
    stream = Stream([WAV, bytes(100), bytes(100)])
    assert stream.segments == [(WAV_KIND, SAMPLES), (SESSION, bytes(200))]


def test_rubbish_behind_a_wav_is_left_out_and_told() -> None:
    stream = Stream([WAV + b"\x00\x01rubbish", b"more", WAV])
    assert stream.segments == [(WAV_KIND, SAMPLES), (WAV_KIND, SAMPLES)]
    assert stream.warnings == [
        "At byte 1657: 13 bytes were left out: no audio, behind the end of a WAV"
    ]


def test_so_is_what_is_known_to_be_no_audio() -> None:
    stream = Stream([WAV, PNG, WAV])
    assert stream.segments == [(WAV_KIND, SAMPLES), (WAV_KIND, SAMPLES)]
    assert stream.warnings == ["At byte 1702: 58 bytes were left out: a PNG image"]


@given(cuts(TAGGED_MP3))
def test_pieces_of_one_mp3_are_one_segment_without_its_tag(chunks: list[bytes]) -> None:
    assert Stream(chunks).segments == [(Container.MP3, MP3)]


def test_a_tag_longer_than_any_look_ahead_is_passed_over() -> None:
    tag = b"ID3\x04\x00\x00\x00\x10\x00\x00" + bytes(1 << 18)
    assert Stream(audio.chunks(tag + MP3, 4096)).segments == [(Container.MP3, MP3)]


def test_what_stands_behind_a_long_tag_says_what_the_file_is() -> None:
    tags = (b"ID3\x04\x00\x00\x00\x01\x00\x00" + bytes(1 << 14)) * 2
    assert Stream(audio.chunks(tags + FLAC, 1000)).segments == [(Container.FLAC, FLAC)]


def test_the_xing_tag_does_not_say_a_size() -> None:
    flags, frames, size = b"\x00\x00\x00\x0f", b"\x00\x00\x01\x00", b"\x00\x01\x00\x00"
    before, after = MP3_FRAME[:21] + b"Info" + flags + frames, bytes(380) + MP3_FRAME
    [(_, data)] = Stream([before + size + after]).segments
    assert data == before + bytes(4) + after


def test_an_mp3_after_an_mp3_is_a_segment_of_its_own() -> None:
    chunks = [TAGGED_MP3[:300], TAGGED_MP3[300:], TAGGED_MP3, MP3]
    assert Stream(chunks).segments == [(Container.MP3, MP3)] * 3


def test_frames_of_an_mp3_are_not() -> None:
    assert Stream([MP3_FRAME * 2] * 3).segments == [(Container.MP3, MP3_FRAME * 6)]


def lineages(*files: bytes) -> list[object]:
    return [segment.lineage for segment in split(files, declared=SESSION, warn=print)]


def test_files_that_one_decoder_may_go_on_through_have_a_lineage_in_common() -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x07a title"
    mono, stereo = tag + MP3_FRAME * 2, tag + b"\xff\xfb\x90\x00".ljust(417, b"\x55") * 2
    adts = tag + b"\xff\xf1\x50\x80\x19\x00\xfc".ljust(200, b"\x55") * 2
    one, other, third, *more = lineages(mono, stereo, adts, adts, mono)
    assert more == [third, one]
    assert None not in (one, other, third)
    assert len({one, other, third}) == 3


def test_files_whose_edges_have_to_be_cut_off_have_none() -> None:
    assert lineages(MP3, TAGGED_MP3, FLAC) == [None, None, None]


def promised(file: bytes) -> float | None:
    [segment] = split([file], declared=SESSION, warn=print)
    return segment.promise.seconds


def test_an_mp3_says_how_long_it_is_in_its_xing_tag() -> None:
    whole = b"\x00\x00\x00\x0f" + (100).to_bytes(4, "big") + bytes(4 + 100 + 4)
    lame = b"LAME3.100" + bytes(12) + (576 << 12 | 1000).to_bytes(3, "big")
    tag = MP3_FRAME[:21] + b"Info" + whole + lame
    assert promised(tag.ljust(417, b"\x00") + MP3_FRAME) == (100 * 1152 - 1576) / 44100
    assert promised(MP3) is None
    assert promised(MP3_FRAME * 2) is None


def test_a_flac_says_it_in_its_first_block() -> None:
    described = (44100 << 44 | 1 << 41 | 15 << 36 | 88200).to_bytes(8, "big")
    assert promised(FLAC[:18] + described + bytes(82)) == 2
    assert promised(FLAC) is None


def test_kinds_may_alternate() -> None:
    assert [kind for kind, _ in Stream([WAV, MP3, FLAC, WAV]).segments] == [
        WAV_KIND,
        Container.MP3,
        Container.FLAC,
        WAV_KIND,
    ]


def test_a_stream_that_begins_with_no_audio_is_refused_by_name() -> None:
    with pytest.raises(NotAudioError, match="it starts with a PNG image"):
        Stream([PNG[:3], PNG[3:], WAV])


def test_nothing_is_read_ahead_of_what_is_asked_for() -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1000
            yield bytes(1000)

    endless_segment = next(split(endless(), declared=SESSION, warn=print))
    taken = sum(len(next(endless_segment.data)) for _ in range(20))
    assert read <= taken + HEAD_BYTES + 1000


def test_no_chunks_are_no_segments() -> None:
    assert Stream([]).segments == []
    assert Stream([b"", b""]).segments == []
