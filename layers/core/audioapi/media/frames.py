"""Samples as they stream by, cut into frames of one length."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SAMPLE_BYTES = 2


class Frames:
    """Cuts s16le in one channel into frames of `size` samples, however its blocks are cut."""

    def __init__(self, size: int) -> None:
        self._frame_bytes = size * _SAMPLE_BYTES
        self._rest = b""

    def add(self, block: bytes) -> NDArray[np.int16]:
        """The frames that the block completes, one a row."""
        data = self._rest + block
        whole = len(data) - len(data) % self._frame_bytes
        self._rest = data[whole:]
        return _samples(data[:whole]).reshape(-1, self._frame_bytes // _SAMPLE_BYTES)

    @property
    def rest(self) -> NDArray[np.int16]:
        """What is left of the last frame, as one row, or none. Half a sample is no sample."""
        samples = _samples(self._rest[: len(self._rest) // _SAMPLE_BYTES * _SAMPLE_BYTES])
        return samples.reshape(-1, max(1, len(samples)))


def _samples(data: bytes) -> NDArray[np.int16]:
    import numpy as np  # noqa: PLC0415 - 0.1 s, which only the worker has to wait

    return np.frombuffer(data, "<i2")
