"""How FFmpeg's messages are read, also when it doesn't finish its lines."""

from __future__ import annotations

from audioapi.media.loudness import Loudness, Meter

SUMMARY = """[Parsed_ebur128_2 @ 0x7f929c001e00] [info] Summary:

  Integrated loudness:
    I:         -25.5 LUFS
    Threshold: -35.5 LUFS

  Loudness range:
    LRA:         0.1 LU
    Threshold: -45.5 LUFS
    LRA low:   -25.5 LUFS
    LRA high:  -25.4 LUFS"""
PEAKS = """[Parsed_astats_3 @ 0x7f9930018c00] [info] Channel: 1
[Parsed_astats_3 @ 0x7f9930018c00] [info] Peak level dB: -10.056207
[Parsed_astats_3 @ 0x7f9930018c00] [info] Channel: 2
[Parsed_astats_3 @ 0x7f9930018c00] [info] Peak level dB: -9.309651
"""
ALL = Loudness(integrated_lufs=-25.5, range_lu=0.1, true_peak_dbtp=-9.31)
NOTHING = Loudness(integrated_lufs=None, range_lu=None, true_peak_dbtp=None)


def heard(said: str) -> Meter:
    meter = Meter()
    for line in said.split("\n"):
        meter.hear(line)
    return meter


def measured(said: str, *, seconds: float = 10.0) -> Loudness:
    return heard(said).loudness(seconds=seconds)


def test_both_filters_are_read_and_the_channels_counted() -> None:
    assert measured(SUMMARY + "\n" + PEAKS) == ALL
    assert heard(PEAKS).channels == 2


def test_one_may_go_on_in_the_others_line() -> None:
    lines = PEAKS.splitlines(keepends=True)
    for at in range(len(lines)):
        unfinished = SUMMARY + lines[at].partition("[info] ")[2]
        said = "".join(lines[:at]) + unfinished + "".join(lines[at + 1 :])
        assert measured(said + "\n") == ALL
        assert heard(said).channels == 2


def test_silence_has_no_loudness() -> None:
    silence = SUMMARY.replace("I:         -25.5", "I:         -70.0")
    assert measured(silence + "\n" + PEAKS.replace("-10.056207", "-inf")) == Loudness(
        integrated_lufs=None, range_lu=None, true_peak_dbtp=-9.31
    )
    assert measured("[x] [info] Peak level dB: -inf") == NOTHING


def test_what_is_no_number_is_none() -> None:
    assert measured(SUMMARY.replace("-25.5 LUFS", "nan LUFS").replace(" 0.1", " inf")) == NOTHING
    assert measured(SUMMARY.replace("-25.5 LUFS", "- LUFS") + "\nPeak level dB: ?") == NOTHING


def test_a_range_takes_a_few_windows_of_three_seconds() -> None:
    assert measured(SUMMARY, seconds=3.4).range_lu is None
    assert measured(SUMMARY, seconds=3.5).range_lu == 0.1


def test_sound_that_changes_its_format_has_a_peak_and_no_loudness() -> None:
    twice = f"{SUMMARY}\n{PEAKS}{SUMMARY}\n{PEAKS}"
    assert heard(twice).formats == 2
    assert measured(twice) == Loudness(integrated_lufs=None, range_lu=None, true_peak_dbtp=-9.31)


def test_nothing_said_is_nothing_known() -> None:
    assert measured("") == NOTHING
