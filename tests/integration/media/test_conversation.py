"""Sound while it is recorded: what has come is out before more comes."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from audioapi.media.conversation import SAMPLE_RATE, Limits, sound
from audioapi.media.errors import MediaError, NotAudioError, TooLargeError, TooLongError
from audioapi.media.ffmpeg import decode
from audioapi.media.segments import whole
from tests import audio
from tests.corpus import HOSTILE, RECORDINGS, Case, containers, original
from tests.integration.media.hostile import STRICT, leaks, named, secret_recording

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("nothing_is_left")]

OPUS = ("-c:a", "libopus")
FRAGMENTED = ("-movflags", "empty_moov+default_base_moof", "-frag_duration", "250000")
FILES = [
    case
    for case in RECORDINGS
    # More channels are mixed in another way, and raw samples are no file.
    if not case.name.startswith("raw") and not case.name.endswith("six-channels")
]


class Heard:
    """All of a sound."""

    def __init__(self, blocks: Iterable[bytes], limits: Limits | None = None) -> None:
        with sound(blocks, limits=limits) as made:
            self.pcm = b"".join(made.blocks)
            self.channels, self.warnings, self.seconds = made.channels, made.warnings, made.seconds
        assert made.samples * 2 * self.channels == len(self.pcm)

    @property
    def frames(self) -> np.ndarray:
        return np.frombuffer(self.pcm, "<i2").reshape(-1, self.channels)


@named(FILES)
def test_the_sound_is_what_decoding_gives_however_blocks_are_cut(case: Case) -> None:
    file = b"".join(case.parts())
    sizes = (len(file), 24_000, 999)
    heard = [Heard([b"", *audio.chunks(file, size), b""]) for size in sizes]
    [channels] = {each.channels for each in heard}
    segment = whole([file], warn=print)
    decoded = b"".join(decode(segment, sample_rate=SAMPLE_RATE, channels=channels))
    for each in heard:
        assert original.alike(each.pcm, decoded)


@pytest.mark.parametrize("options", [("wav",), ("mp3",), ("webm", *OPUS), ("ipod",), ("flac",)])
def test_a_channel_for_each_speaker_stays_one(options: tuple[str, ...]) -> None:
    mono, stereo = (
        Heard([audio.encoded(*options, rate=48000, channels=channels)]) for channels in (1, 2)
    )
    assert (mono.channels, stereo.channels) == (1, 2)
    assert mono.seconds == pytest.approx(1, abs=0.1)
    assert stereo.seconds == mono.seconds
    left, right = stereo.frames.astype(float).T
    assert np.corrcoef(left, right)[0, 1] < 0.5


@pytest.mark.parametrize("channels", [3, 6, 8, 16])
def test_more_channels_become_one(channels: int) -> None:
    heard = Heard([audio.wav_bytes(rate=8000, channels=channels, seconds=1)])
    assert (heard.channels, heard.seconds) == (1, 1)
    assert np.abs(heard.frames).max() > 3000


def test_what_is_loud_in_all_channels_is_cut_off_not_turned_over() -> None:
    loud = np.full((8000, 6), 30_000, "<i2").tobytes()
    heard = Heard([audio.wav(loud, rate=8000, channels=6)])
    assert heard.frames[1000:-1000].min() == 32767


def test_of_a_video_the_sound_is_heard() -> None:
    picture = ("-f", "lavfi", "-i", "color=d=1:s=64x64:r=5", "-map", "0:a", "-map", "1:v")
    heard = Heard([audio.encoded("matroska", *picture, channels=2)])
    assert (heard.channels, heard.warnings) == (2, [])
    assert heard.seconds == pytest.approx(1, abs=0.05)


class Recorder:
    """Hands out a file in pieces as if it were being recorded, each no sooner than all sound of
    those before it is out but for what may be held back.
    """

    def __init__(self, file: bytes, *, seconds: float, pieces: int, held_back: float) -> None:
        self._pieces = audio.chunks(file, -(-len(file) // pieces))
        self._seconds = seconds / pieces
        self._held_back = held_back
        self._due = self._out = 0.0
        self._more = threading.Condition()

    def __iter__(self) -> Iterator[bytes]:
        for number, piece in enumerate(self._pieces):
            self._due = number * self._seconds - self._held_back
            with self._more:
                self._more.wait_for(lambda: self._out >= self._due)
            yield piece

    def out(self, seconds: float) -> None:
        with self._more:
            self._out = seconds
            self._more.notify()


@pytest.mark.parametrize(
    ("options", "held_back"),
    [
        (("wav", "-bitexact"), 0.2),
        (("webm", *OPUS, "-b:a", "32k", "-live", "1", "-cluster_time_limit", "500"), 0.25),
        (("mp4", *FRAGMENTED), 0.5),
        (("adts",), 0.25),
        (("mp3", "-b:a", "64k", "-write_xing", "0"), 0.4),
    ],
)
def test_what_has_come_is_out_before_more_comes(options: tuple[str, ...], held_back: float) -> None:
    """Beyond the first second, which a decoder may take to know what it is."""
    file = audio.encoded(*options, rate=48000, channels=1, seconds=10.0)
    if "wav" in options:
        file = containers.streamed(file, 0xFFFFFFFF)
    recorder = Recorder(file, seconds=10, pieces=40, held_back=1 + held_back)
    with sound(recorder) as made:
        for _ in made.blocks:
            # The first second is given; what comes later has to be there.
            recorder.out(made.seconds + min(made.seconds, 1))
    assert made.seconds == pytest.approx(10, abs=0.1)
    assert made.warnings == []


def test_an_index_at_the_end_is_waited_for() -> None:
    whole_file = audio.encoded("ipod", seconds=2.0)
    assert Heard(audio.chunks(whole_file, 1000)).seconds == pytest.approx(2, abs=0.1)
    with pytest.raises(TooLargeError):
        Heard([whole_file], Limits(disk_bytes=1000))


def endless_wav() -> Iterator[bytes]:
    second = audio.pcm(rate=8000, channels=1, seconds=1)
    yield containers.streamed(audio.wav(second, rate=8000, channels=1), 0xFFFFFFFF)
    yield from itertools.repeat(second)


def standing_still() -> Iterator[bytes]:
    """A recording of which nothing more comes."""
    yield from itertools.islice(endless_wav(), 2)
    yield from itertools.repeat(b"")


@pytest.mark.parametrize("recording", [endless_wav, standing_still])
def test_a_reader_that_goes_away_leaves_nothing(recording: type[Iterator[bytes]]) -> None:
    with sound(recording()) as made:
        assert next(made.blocks)


@pytest.mark.parametrize("good", [0, 1, 5])
def test_what_the_source_raises_is_the_readers(good: int) -> None:
    def broken() -> Iterator[bytes]:
        yield from itertools.islice(endless_wav(), good)
        raise OSError("S3 is gone")

    with pytest.raises(OSError, match="S3 is gone"):
        Heard(broken())


def test_more_sound_than_allowed_is_refused() -> None:
    with pytest.raises(TooLongError, match=r"^It holds more than 1\.9 s of sound$"):
        Heard(endless_wav(), Limits(audio_seconds=1.9))


@pytest.mark.parametrize("file", [b"", b"%PDF-1.7\n" + bytes(5000), audio.encoded("ipod")[:5000]])
def test_what_is_no_audio_is_refused_before_it_begins(file: bytes) -> None:
    with pytest.raises(NotAudioError), sound([file]):
        pass


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return secret_recording(tmp_path_factory.mktemp("private"), rate=16000)


@named(HOSTILE)
def test_of_a_hostile_file_comes_what_is_good_or_a_reason(case: Case, secret: Path) -> None:
    file = b"".join(case.sent(str(secret)))
    try:
        heard = Heard(audio.chunks(file, 24_000), STRICT)
    except MediaError as error:
        told = str(error)
    else:
        told = " ".join(heard.warnings)
        assert not leaks(heard.pcm)
    assert not leaks(told.encode())
