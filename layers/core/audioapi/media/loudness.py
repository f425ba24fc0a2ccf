"""Loudness as EBU R 128 has it, measured by FFmpeg's filters and read out of their messages.

Integrated loudness as in ITU-R BS.1770-4, with its gates of -70 LUFS and -10 LU; the range as in
EBU Tech 3342; true peak as in BS.1770-4 Annex 2, of the sound at four times its rate.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_RATES = "8000|11025|12000|16000|22050|24000|32000|44100|48000|64000|88200|96000|176400|192000"

# Nothing gets through: to encode what nobody reads would take longer.
_NOTHING = f"atrim=start_sample={2**63 - 1}"
_FILTERS = (
    # FFmpeg wakes a thread and calls each filter for every frame; these are four times as long as
    # MP3's. What is held back is lost where the sound's format changes: so nothing else is batched.
    "asetnsamples=4608:pad=0,"
    # The sound's own rate. Rates that nobody records at become the next of these: at 1 or 2 Hz
    # ebur128 writes behind the end of its buffers (7.1).
    f"aformat=sample_rates={_RATES},asplit[sound][peaks];"
    f"[sound]ebur128=framelog=quiet,{_NOTHING}[no_sound];"
    # Whatever rate that is, it is taken for 48 kHz: only the factor of four counts. Floats, because
    # true peaks go beyond full scale. ebur128 does the same in three times the time; and it gives
    # doubles, which would take twice the time here: so this is beside it, not behind it.
    "[peaks]asetrate=48000,aresample=192000:filter_size=16:out_sample_fmt=fltp,"
    f"astats=measure_overall=none:measure_perchannel=Peak_level,{_NOTHING}[no_peaks];"
    # Filters of an output end in one. A sink among them may end in a failed assertion (7.1).
    "[no_sound][no_peaks]concat=v=0:a=1"
)
OUTPUT = (
    # Else astats wakes a thread for each channel of each frame: more work than finding a peak.
    *("-filter_threads", "1"),
    *("-map", "0:a:0", "-af", _FILTERS, "-f", "null", "-"),
)
"""What measures: an output of its own, which is a thread of its own."""

_GATE_LUFS = -70.0
"""What ebur128 says of sound of which not one block of 400 ms is louder."""
_RANGE_SECONDS = 3.5
"""The range is one of windows of 3 s, every 100 ms: of fewer than five, ebur128 takes the gate
below them for the lower end."""

_INTEGRATED = re.compile(r" {4}I: +(\S+) LUFS")
_RANGE = re.compile(r" {4}LRA: +(\S+) LU")
# These may come before ebur128 has ended its last line, and stand behind that.
_CHANNEL = re.compile(r".*Channel: (\d{1,5})")
_PEAK = re.compile(r".*Peak level dB: (\S+)")


@dataclass(frozen=True)
class Loudness:
    """`integrated_lufs` is None of silence and of less than 400 ms, `range_lu` then too and of less
    than 3.5 s, `true_peak_dbtp` of digital silence.
    """

    integrated_lufs: float | None
    range_lu: float | None
    true_peak_dbtp: float | None


class Meter:
    """Hears FFmpeg's messages, and knows at its end what they said of loudness."""

    def __init__(self) -> None:
        self.channels = 0
        self._integrated: list[float] = []
        self._range = math.nan
        self._peak = -math.inf

    @property
    def formats(self) -> int:
        """How often measuring began anew, because the sound's rate or channels had changed."""
        return len(self._integrated)

    def hear(self, line: str) -> None:
        if found := _INTEGRATED.fullmatch(line):
            self._integrated.append(_number(found))
        elif found := _RANGE.fullmatch(line):
            self._range = _number(found)
        elif found := _CHANNEL.fullmatch(line):
            self.channels = max(self.channels, int(found.group(1)))
        elif found := _PEAK.fullmatch(line):
            self._peak = max(self._peak, _number(found))

    def loudness(self, *, seconds: float) -> Loudness:
        """Of so much sound. Only its true peak is known if its format changed."""
        integrated = self._integrated[0] if self.formats == 1 else math.nan
        heard = integrated > _GATE_LUFS
        return Loudness(
            integrated_lufs=_finite(integrated) if heard else None,
            range_lu=_finite(self._range) if heard and seconds >= _RANGE_SECONDS else None,
            true_peak_dbtp=_finite(self._peak),
        )


def _number(found: re.Match[str]) -> float:
    try:
        return float(found.group(1))
    except ValueError:
        return math.nan


def _finite(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None
