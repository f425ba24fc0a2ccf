"""Who said what, while it is said: utterances by voice activity, each channel a speaker's."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audioapi.speech.utterances import RATE, Detector, Speech

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from audioapi.speech.live import LiveRecogniser, Recognition
    from audioapi.speech.transcript import Word

_FRAME = 480
"""Samples, as the detector takes them: 30 ms."""
_SAMPLE_BYTES = 2
_PARTIAL_BYTES = RATE * _SAMPLE_BYTES
_LONGEST_SECONDS = 15.0
_COMPARED_FRAMES = 600
"""What two channels are compared over at most: an utterance, and the pause after it."""

# Of two channels with the same sound. The thresholds lie apart, because an utterance's borders may
# differ a little in them: rather twice than not at all.
_SAME = 0.95
_LEFT_LEAKED = 4.0
_RIGHT_IS_OWN = 2.0


@dataclass(frozen=True)
class RecognisedUtterance:
    """An utterance; no words are in it where nothing was understood."""

    speaker: str
    speech: Speech
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Partial:
    """What an utterance seems to say that isn't over; it began at `t_start` seconds."""

    speaker: str
    t_start: float
    text: str


class Diariser:
    """Takes 16-bit samples at 16 kHz of one channel or two, interleaved, in blocks of any size. The
    left channel is speaker_1, the right one speaker_2. What both hear, by a correlation of more
    than 0.95 over the utterance, is the louder one's, and the left one's unless the right one is
    louder by 3 dB; so two equal channels are one speaker. From 3 to 6 dB it is both's.

    Utterances come as soon as they are known to be over, the left channel's first; a Partial comes
    with each second of one. All of it depends on the sound alone, and on nothing that comes later.

    `after` is the speaker and the start in seconds of an utterance that is known from before:
    nothing comes of what came up to it, and nothing of it is recognised.
    """

    def __init__(
        self,
        channels: int,
        recogniser: LiveRecogniser,
        *,
        after: tuple[str, float] | None = None,
    ) -> None:
        self._channels = [_Channel(number, recogniser) for number in range(channels)]
        self._likeness = _Likeness()
        self._after = after
        self._rest = b""

    def feed(self, pcm: bytes) -> Iterator[RecognisedUtterance | Partial]:
        data = self._rest + pcm
        whole = len(data) - len(data) % (_FRAME * _SAMPLE_BYTES * len(self._channels))
        self._rest = data[whole:]
        frames = _channels(data[:whole], len(self._channels))
        for at in range(0, frames.shape[1], _FRAME):
            yield from self._take(frames[:, at : at + _FRAME])

    def finish(self) -> Iterator[RecognisedUtterance | Partial]:
        """What is being said when the sound ends."""
        whole = len(self._rest) - len(self._rest) % (_SAMPLE_BYTES * len(self._channels))
        yield from self._take(_channels(self._rest[:whole], len(self._channels)))
        for channel in self._channels:
            yield from self._ended(channel, channel.detector.finish())

    def _take(self, frame: NDArray[np.int16]) -> Iterator[RecognisedUtterance | Partial]:
        self._likeness.add(frame)
        for channel, samples in zip(self._channels, frame, strict=True):
            yield from self._ended(channel, channel.detector.feed(samples.tobytes()))
            yield from self._goes_on(channel)

    def _ended(self, channel: _Channel, speeches: list[Speech]) -> Iterator[RecognisedUtterance]:
        for speech in speeches:
            if not self._known(channel, speech) and self._likeness.owns(
                channel.number, speech.start, speech.end
            ):
                yield RecognisedUtterance(channel.speaker, speech, channel.words(speech))
            channel.forget()

    def _goes_on(self, channel: _Channel) -> Iterator[Partial]:
        since = channel.detector.speaking_since
        if since is None:
            return
        channel.follow()
        if self._after is None and self._likeness.owns(channel.number, since):
            yield from channel.recognise(since)

    def _known(self, channel: _Channel, speech: Speech) -> bool:
        if self._after is None:
            return False
        speaker, start = self._after
        # Should that utterance not be found again, nothing is lost but what is as late as it.
        beyond = speech.start > start + _LONGEST_SECONDS
        if beyond or (channel.speaker, speech.start) == (speaker, start):
            self._after = None
        return not beyond


class _Channel:
    """One channel, and the utterance that is being spoken in it."""

    def __init__(self, number: int, recogniser: LiveRecogniser) -> None:
        self.number = number
        self.speaker = f"speaker_{number + 1}"
        self.detector = Detector()
        self._recogniser = recogniser
        self.forget()

    def forget(self) -> None:
        self._recognition: Recognition | None = None
        self._sound = bytearray()
        self._fed = 0
        self._due = False
        self._told = ""

    def follow(self) -> None:
        """A second more is reason for a partial: of the sound, however much of it was recognised
        at once, so that a run which catches up tells the same ones.
        """
        before = len(self._sound) // _PARTIAL_BYTES
        self._sound += self.detector.spoken(len(self._sound))
        self._due = len(self._sound) // _PARTIAL_BYTES > before

    def recognise(self, since: float) -> Iterator[Partial]:
        """Hears what was spoken since the last time."""
        recognition = self._catch_up()
        if self._due:
            text = recognition.text()
            if text not in ("", self._told):
                self._told = text
                yield Partial(self.speaker, since, text)

    def words(self, speech: Speech) -> tuple[Word, ...]:
        return self._catch_up().words(speech)

    def _catch_up(self) -> Recognition:
        self._recognition = self._recognition or self._recogniser.begin()
        self._recognition.feed(bytes(self._sound[self._fed :]))
        self._fed = len(self._sound)
        return self._recognition


class _Likeness:
    """How much two channels have in common, by their products' sums over the frames so far."""

    def __init__(self) -> None:
        self._frames = 0
        self._sums = deque([(0, 0, 0)], maxlen=_COMPARED_FRAMES)

    def add(self, frame: NDArray[np.int16]) -> None:
        if len(frame) == 1:
            return
        left, right = frame.astype("int64")
        lefts, rights, boths = self._sums[-1]
        self._sums.append(
            (lefts + int(left @ left), rights + int(right @ right), boths + int(left @ right))
        )
        self._frames += 1

    def owns(self, number: int, start: float, end: float | None = None) -> bool:
        """Whether what a channel has from `start` to `end` seconds, or up to now, is its own."""
        first = self._at(round(start * RATE / _FRAME))
        last = self._at(self._frames if end is None else math.ceil(end * RATE / _FRAME))
        left, right, both = (after - before for before, after in zip(first, last, strict=True))
        if abs(both) <= _SAME * math.sqrt(left * right):
            return True
        return right > _RIGHT_IS_OWN * left if number else right <= _LEFT_LEAKED * left

    def _at(self, frame: int) -> tuple[int, int, int]:
        """The sums before that frame."""
        return self._sums[min(max(frame - self._frames - 1, -len(self._sums)), -1)]


def _channels(pcm: bytes, count: int) -> NDArray[np.int16]:
    """One row for each channel."""
    import numpy as np  # noqa: PLC0415 - 0.1 s, which only who hears has to wait

    return np.frombuffer(pcm, "<i2").reshape(-1, count).T
