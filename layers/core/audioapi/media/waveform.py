"""The waveform of a recording, for players to draw before they have its sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audioapi.media.frames import Frames

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.int16]

_MOST_PIXELS = 65_536
"""About 700 KB of JSON. Of an hour, a pixel is 80 ms."""


class Peaks:
    """The lowest and the highest sample of each stretch of s16le in one channel: a pixel.

    A pixel begins as 10 ms. Whenever there would be more than `most_pixels`, an even number, each
    two neighbours become one: so is any length of sound told in the same memory.
    """

    def __init__(self, *, sample_rate: int, most_pixels: int = _MOST_PIXELS) -> None:
        self._sample_rate = sample_rate
        self._most = most_pixels
        self._frame_samples = sample_rate // 100
        self._frames = Frames(self._frame_samples)
        self._frames_per_pixel = 1
        self._pixels = self._pending = _rows(self._frames.rest)

    def add(self, block: bytes) -> None:
        """Takes the next samples: any number of bytes, cut anywhere."""
        self._pending = _joined(self._pending, _rows(self._frames.add(block)))
        while len(self._pending) >= self._frames_per_pixel:
            if len(self._pixels) == self._most:
                self._halve()
            else:
                self._fill()

    def as_json(self) -> dict[str, Any]:
        """What was added so far, as BBC audiowaveform's JSON of version 2, with 16 bits: with 8,
        quiet speech has no shape. The last pixel may be of fewer samples than the others.
        """
        last = _joined(self._pending, _rows(self._frames.rest))
        if len(last) and len(self._pixels) == self._most:
            self._halve()
        pixels = _joined(self._pixels, _merged(last, len(last)))
        pixels[:, 1] = ~pixels[:, 1]
        return {
            "version": 2,
            "channels": 1,
            "sample_rate": self._sample_rate,
            "samples_per_pixel": self._frame_samples * self._frames_per_pixel,
            "bits": 16,
            "length": len(pixels),
            "data": pixels.ravel().tolist(),
        }

    def _fill(self) -> None:
        """Makes pixels of what is pending, as many as there is room for."""
        pixels = len(self._pending) // self._frames_per_pixel
        used = min(pixels, self._most - len(self._pixels)) * self._frames_per_pixel
        made = _merged(self._pending[:used], self._frames_per_pixel)
        self._pixels, self._pending = _joined(self._pixels, made), self._pending[used:]

    def _halve(self) -> None:
        self._pixels = _merged(self._pixels, 2)
        self._frames_per_pixel *= 2


def _rows(frames: NDArray[np.int16]) -> Rows:
    """Of each frame the lowest sample and, inverted, the highest: so both are minima."""
    import numpy as np  # noqa: PLC0415 - 0.1 s, which only the worker has to wait

    if not frames.size:
        return np.empty((0, 2), np.int16)
    return np.stack([frames.min(axis=1), ~frames.max(axis=1)], axis=1)


def _merged(rows: Rows, count: int) -> Rows:
    """Each `count` neighbours as one row."""
    merged: Rows = rows.reshape(-1, max(count, 1), 2).min(axis=1)
    return merged


def _joined(first: Rows, second: Rows) -> Rows:
    import numpy as np  # noqa: PLC0415 - as above

    return np.concatenate([first, second])
