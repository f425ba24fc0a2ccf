"""Utterances in a stream of sound, found while it comes.

Each 30 ms are speech or not by the WebRTC project's voice activity detection, which comes with
PocketSphinx. Its own Segmenter isn't used: it loses the last utterance of a stream that ends with
a whole frame, pads nothing, and lets an utterance grow without bound.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RATE = 16_000
"""Hz of all sound here; it is mono, of 16-bit signed little-endian samples."""

_SAMPLE_BYTES = 2
_FRAME_SECONDS = 0.03
_FRAME_BYTES = 480 * _SAMPLE_BYTES

# In frames. An utterance begins when enough of a window's are speech: asking for more loses short
# words, for fewer lets clicks in (measured). It ends with a pause of half a second, and keeps a
# padding on both sides, because the detector misses soft beginnings and ends. At 15 s it is cut in
# its later half, in the middle of the quietest lull.
_WINDOW = 6
_ENOUGH = 5
_PAUSE = 17
_PADDING = 7
_LONGEST = 500
_LULL = 5


@dataclass(frozen=True)
class Speech:
    """The sound of one utterance; `start` and `end` are seconds from the recording's start."""

    start: float
    end: float
    pcm: bytes


def utterances(blocks: Iterable[bytes], *, offset: float = 0.0) -> Iterator[Speech]:
    """Those in a whole stream, whose first sample is `offset` seconds from the recording's start.
    Blocks may be of any size; 15 s of sound are in memory at most, and a block.
    """
    detector = Detector(offset=offset)
    for block in blocks:
        yield from detector.feed(block)
    yield from detector.finish()


class Detector:
    """The same for sound that is pushed: what it finds depends on the samples alone, never on how
    they were cut into blocks.
    """

    def __init__(self, *, offset: float = 0.0) -> None:
        from pocketsphinx import Vad  # type: ignore[import-untyped]  # noqa: PLC0415  # worker only

        # The looser modes hear one word where two are a second apart in a little noise.
        self._vad = Vad(Vad.MEDIUM_STRICT, RATE, _FRAME_SECONDS)
        self._position = round(offset * RATE)  # of the first sample in self._kept
        self._rest = b""
        self._kept = bytearray()
        self._flags: deque[bool] = deque(maxlen=_WINDOW)
        self._speaking = False
        self._quiet_frames = 0

    def feed(self, block: bytes) -> list[Speech]:
        """The utterances that end in this block."""
        data = self._rest + block
        whole = len(data) - len(data) % _FRAME_BYTES
        self._rest = data[whole:]
        frames = (data[at : at + _FRAME_BYTES] for at in range(0, whole, _FRAME_BYTES))
        return [speech for frame in frames if (speech := self._take(frame))]

    def finish(self) -> list[Speech]:
        """The utterance that the stream's end cuts off, if there is one."""
        if not self._speaking:
            return []
        self._kept += self._rest[: len(self._rest) // _SAMPLE_BYTES * _SAMPLE_BYTES]
        return [self._cut(len(self._kept) - self._silent_bytes())]

    @property
    def speaking_since(self) -> float | None:
        """Where the utterance begins that has no end yet; None in a pause."""
        return _seconds(self._position) if self._speaking else None

    def spoken(self, skip: int) -> bytes:
        """What belongs to that utterance for sure but for its first `skip` bytes: all of it, unless
        it's cut because it is too long.
        """
        return bytes(self._kept[skip : len(self._kept) - self._silent_bytes()])

    def _take(self, frame: bytes) -> Speech | None:
        self._kept += frame
        self._flags.append(self._vad.is_speech(frame))
        if not self._speaking:
            self._listen()
            return None
        self._quiet_frames = 0 if self._flags[-1] else self._quiet_frames + 1
        if self._quiet_frames == _PAUSE:
            self._speaking = False
            return self._cut(len(self._kept) - self._silent_bytes())
        if len(self._kept) == _LONGEST * _FRAME_BYTES:
            return self._cut(_quietest(self._kept))
        return None

    def _listen(self) -> None:
        self._speaking = sum(self._flags) >= _ENOUGH
        self._quiet_frames = 0
        self._drop(max(len(self._kept) - (_PADDING + _WINDOW) * _FRAME_BYTES, 0))

    def _silent_bytes(self) -> int:
        """What of the pause that an utterance ends with is more than its padding."""
        return max(self._quiet_frames - _PADDING, 0) * _FRAME_BYTES

    def _cut(self, size: int) -> Speech:
        start, pcm = self._position, bytes(self._kept[:size])
        self._drop(size)
        return Speech(_seconds(start), _seconds(self._position), pcm)

    def _drop(self, size: int) -> None:
        del self._kept[:size]
        self._position += size // _SAMPLE_BYTES


def _quietest(pcm: bytearray) -> int:
    """The byte in the middle of the lull with the least energy in the later half."""
    import numpy as np  # noqa: PLC0415  # 0.1 s that only this needs

    frames = np.frombuffer(pcm, "<i2").astype(np.int64).reshape(-1, _FRAME_BYTES // _SAMPLE_BYTES)
    later = len(frames) // 2
    energy = np.square(frames[later:]).sum(axis=1)
    lulls = np.convolve(energy, np.ones(_LULL, np.int64), mode="valid")
    return (later + int(lulls.argmin()) + _LULL // 2) * _FRAME_BYTES


def _seconds(position: int) -> float:
    return round(position / RATE, 3)
