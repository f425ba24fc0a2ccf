"""Where nobody speaks in a recording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from audioapi.media.frames import Frames

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FRAMES_PER_SECOND = 100
_SHORTEST_SECONDS = 0.5
_FLOOR_SHARE = 0.1
_MARGIN_DB = 8.0
_THRESHOLDS_DBFS = -60.0, -30.0
_FULL_SCALE = 32768
_LOUDEST = 255


@dataclass(frozen=True)
class SilenceMap:
    """`silences` are their starts and ends, `silence_seconds` is all of them together. `floor_dbfs`
    is the level of the noise, None where there is nothing but digital silence.
    """

    floor_dbfs: float | None
    threshold_dbfs: float
    silences: list[tuple[float, float]]
    silence_seconds: float


class Silences:
    """Finds the silences of s16le in one channel, by a threshold that follows its noise.

    The level of a frame of 10 ms is 10 lg(v / 32768²) dBFS, v being the variance of its samples, so
    that a constant offset is no sound; it's kept in steps of 0.5 dB, in one byte a frame. The floor
    is the level that a tenth of the frames don't exceed, not counting digital silence, which is
    below any noise. The threshold is 8 dB above the floor, but at least -60 dBFS, and at most
    -30 dBFS, for what is louder is no silence though it never ends. A silence is half a second or
    more of frames below the threshold.
    """

    def __init__(self, *, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._frames = Frames(sample_rate // _FRAMES_PER_SECOND)
        self._levels = bytearray()

    def add(self, block: bytes) -> None:
        """Takes the next samples: any number of bytes, cut anywhere."""
        self._levels += _levels(self._frames.add(block))

    def map(self) -> SilenceMap:
        """The silences of what was added so far."""
        import numpy as np  # noqa: PLC0415 - 0.1 s, which only the worker has to wait

        rest = self._frames.rest
        levels = np.frombuffer(bytes(self._levels) + _levels(rest), np.uint8)
        floor = _floor(levels)
        threshold = _threshold(floor)
        seconds = len(self._levels) / _FRAMES_PER_SECOND + rest.size / self._sample_rate
        silences = [
            (start / _FRAMES_PER_SECOND, min(end / _FRAMES_PER_SECOND, seconds))
            for start, end in _runs(levels < _level(threshold))
        ]
        long = [(start, end) for start, end in silences if end - start >= _SHORTEST_SECONDS]
        total = round(sum(end - start for start, end in long), 4)
        return SilenceMap(floor, threshold, long, total)


def _levels(frames: NDArray[np.int16]) -> bytes:
    """Of each frame a byte: 255 is 0 dBFS, and 1 less half a dB less; 0 is digital silence."""
    import numpy as np  # noqa: PLC0415 - as above

    if not frames.size:
        return b""
    power = frames.astype(np.float32).var(axis=1) / _FULL_SCALE**2
    decibels = 10 * np.log10(power, where=power > 0, out=np.full_like(power, -np.inf))
    steps = np.clip(np.round(_level(decibels)), 0, _LOUDEST)
    return bytes(steps.astype(np.uint8))


def _level(dbfs: float) -> float:
    return _LOUDEST + 2 * dbfs


def _floor(levels: NDArray[np.uint8]) -> float | None:
    import numpy as np  # noqa: PLC0415 - as above

    heard = levels[levels > 0]
    if not heard.size:
        return None
    return (float(np.quantile(heard, _FLOOR_SHARE, method="inverted_cdf")) - _LOUDEST) / 2


def _threshold(floor: float | None) -> float:
    lowest, highest = _THRESHOLDS_DBFS
    return lowest if floor is None else min(max(floor + _MARGIN_DB, lowest), highest)


def _runs(quiet: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where it starts and ends to be quiet, in frames."""
    import numpy as np  # noqa: PLC0415 - as above

    changes = np.flatnonzero(np.diff(quiet, prepend=False, append=False))
    return [(int(start), int(end)) for start, end in changes.reshape(-1, 2)]
