"""Files become what telephone networks carry: in band, in one channel, as loud as is asked."""

from __future__ import annotations

import itertools
import math
import random
from array import array
from typing import TYPE_CHECKING

import pytest

from audioapi.media import wav
from audioapi.media.errors import DamagedError, NotAudioError, TooLongError, TooSlowError
from audioapi.media.ffmpeg import Limits
from audioapi.media.telephony import loudness, telephony
from tests import audio
from tests.corpus import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMITS = Limits()
FORMATS = {
    "wav": audio.wav_bytes(rate=44100, channels=2, seconds=1.0),
    "wav-24-bit": ("wav", "-c:a", "pcm_s24le"),
    "mp3": ("mp3",),
    "ogg-vorbis": ("ogg", "-c:a", "libvorbis"),
    "ogg-opus": ("ogg", "-c:a", "libopus"),
    "flac": ("flac",),
    "aac": ("adts", "-c:a", "aac"),
    "m4a": ("ipod", "-c:a", "aac"),
    "webm": ("webm", "-c:a", "libopus"),
}


def file(name: str) -> bytes:
    made = FORMATS[name]
    return made if isinstance(made, bytes) else audio.encoded(*made, rate=48000, channels=2)


def tone(hertz: float, *, rate: int = 48000, peak: int = 20000, seconds: float = 0.5) -> bytes:
    """A stereo WAV, the same in both channels."""
    samples = array("h")
    for index in range(round(rate * seconds)):
        samples.extend([round(peak * math.sin(2 * math.pi * hertz * index / rate))] * 2)
    return audio.wav(samples.tobytes(), rate=rate, channels=2)


def silence() -> bytes:
    return audio.wav(bytes(96_000), rate=48000, channels=1)


def heard(sound: Iterable[bytes]) -> array[int]:
    """The samples, without the filter's beginning and end."""
    samples = array("h", b"".join(sound))
    return samples[400:-400]


def decibels(samples: array[int], *, peak: int = 20000) -> float:
    """How much quieter a tone of that peak has become."""
    power = sum(sample**2 for sample in samples) / len(samples)
    return 10 * math.log10(max(power, 1e-9) / (peak**2 / 2))


@pytest.mark.parametrize("hertz", [200, 1000, 3000, 3400])
def test_the_voice_band_passes_as_it_is(hertz: float) -> None:
    samples = heard(telephony([tone(hertz)], limits=LIMITS))
    assert decibels(samples) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("hertz", [3900, 4500, 7000, 15000])
def test_what_would_fold_into_the_band_is_gone(hertz: float) -> None:
    assert decibels(heard(telephony([tone(hertz)], limits=LIMITS))) < -60


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_its_length_and_its_sound(name: str) -> None:
    samples = array("h", b"".join(telephony([file(name)], limits=LIMITS)))
    assert len(samples) / 8000 == pytest.approx(1.0, abs=0.08)
    # Two tones of 12,000, one a channel, averaged.
    assert decibels(samples[400:-400], peak=12000) == pytest.approx(-3, abs=0.5)


@pytest.mark.parametrize(
    "codec", [("wav", "-c:a", "pcm_f32le"), ("mp3",), ("ogg", "-c:a", "libopus")]
)
def test_two_loud_channels_make_one_without_clipping(codec: tuple[str, ...]) -> None:
    loud = tone(1000, peak=32000, seconds=1)
    encoded = audio.encoded(codec[0], *codec[1:], "-af", "volume=8dB", channels=2)
    assert loudness([loud], limits=LIMITS).true_peak_dbtp == pytest.approx(0, abs=0.4)
    measured = loudness([encoded], limits=LIMITS).true_peak_dbtp
    assert measured is not None
    assert -4 < measured < 2


def test_gain_is_what_was_asked_for() -> None:
    for gain in (-20.0, 3.0):
        samples = heard(telephony([tone(1000)], limits=LIMITS, gain_db=gain))
        assert decibels(samples) == pytest.approx(gain, abs=0.1)


def test_loudness_is_that_of_what_comes_out() -> None:
    """A tone of 1 kHz whose peaks are at -20 dBFS has -23 LUFS by BS.1770."""
    measured = loudness([tone(1000, peak=3277, seconds=2)], limits=LIMITS)
    assert measured.integrated_lufs == pytest.approx(-23.0, abs=0.3)
    assert measured.true_peak_dbtp == pytest.approx(-20, abs=0.3)
    assert loudness([silence()], limits=LIMITS).integrated_lufs is None


def test_what_is_above_full_scale_is_measured_before_it_is_clipped() -> None:
    over = audio.encoded("wav", "-c:a", "pcm_f32le", "-af", "volume=18dB", seconds=1.0)
    measured = loudness([over], limits=LIMITS)
    assert measured.true_peak_dbtp == pytest.approx(-8.7 + 18, abs=0.5)


@pytest.mark.parametrize("size", [1, 1000, 65536])
def test_however_a_file_is_cut_the_same_comes_out(size: int) -> None:
    mp3 = file("mp3")
    whole = b"".join(telephony([mp3], limits=LIMITS))
    assert b"".join(telephony(audio.chunks(mp3, size), limits=LIMITS)) == whole


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("wav-promises-more", "its header promises 1000000000 bytes of samples, 44100 came"),
        ("wav-holds-more", "22050 bytes"),
        ("mp3-breaks-off", "it promises 1.00 s, 0.5"),
        ("flac-breaks-off", "it promises 1.00 s, 0."),
        ("ogg-breaks-off", "An Ogg file ends early"),
        ("ogg-without-a-page", "lacks 1 of its pages"),
        ("ogg-with-a-broken-page", "CRC mismatch"),
    ],
)
def test_a_file_that_is_not_whole_is_no_prompt(name: str, reason: str) -> None:
    [case] = [case for case in HOSTILE if case.name == name]
    for listen in (telephony, loudness):
        with pytest.raises(DamagedError) as raised:
            list(listen(case.parts(), limits=LIMITS))  # type: ignore[arg-type]
        assert reason in str(raised.value)


def test_a_tag_behind_the_last_frame_is_no_damage() -> None:
    tag = b"APETAGEX" + bytes(24) + random.Random(1).randbytes(100_000)
    bare = audio.encoded("mp3", "-write_xing", "0", "-id3v2_version", "0")
    tagged = b"".join(telephony([bare + tag], limits=LIMITS))
    assert tagged == b"".join(telephony([bare], limits=LIMITS))


def test_what_is_no_audio_is_refused() -> None:
    with pytest.raises(NotAudioError, match="it starts with text"):
        list(telephony([b"Kein Ton.\n" * 100], limits=LIMITS))


def test_a_bomb_goes_off_nowhere() -> None:
    [bomb] = [case for case in HOSTILE if case.name == "flac-bomb"]
    with pytest.raises(TooLongError):
        list(telephony(bomb.parts(), limits=Limits(audio_seconds=1800)))


def test_what_takes_too_much_of_the_processor_is_refused() -> None:
    endless = itertools.chain(
        [wav.header(sample_rate=192_000, channels=2, data_bytes=0)],
        itertools.repeat(bytes(1024 * 1024)),
    )
    with pytest.raises(TooSlowError):
        list(telephony(endless, limits=Limits(audio_seconds=math.inf, cpu_seconds=1)))
