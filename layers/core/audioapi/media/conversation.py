"""The sound of a conversation, while it is being recorded or afterwards."""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from audioapi.media import wav
from audioapi.media.damage import DamageReport
from audioapi.media.errors import DamagedError
from audioapi.media.ffmpeg import Limits, judged, opened
from audioapi.media.segments import whole, whole_frames
from audioapi.media.ticking import ticking

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from audioapi.media.process import Ffmpeg
    from audioapi.media.segments import Segment

__all__ = ["SAMPLE_RATE", "Limits", "Sound", "sound"]

SAMPLE_RATE = 16_000
"""Hz of the sound that comes out."""

_MOST_CHANNELS = 2

# What FFmpeg reads before it begins has to be little, or the first words of a live recording would
# wait for more.
_INPUTS = ("-probesize", "4096", "-analyzeduration", "0")
# A WAV, because its header tells the channels.
_OUTPUTS = (
    *("-map", "0:a:0", "-ar", str(SAMPLE_RATE), "-c:a", "pcm_s16le"),
    *("-flush_packets", "1", "-f", "wav", "pipe:1"),
)


@dataclass
class Sound(DamageReport):
    """`blocks` of 16-bit signed little-endian samples at 16 kHz, in whole frames of one or two
    `channels`. `samples` per channel are out; `warnings`, for whoever sent it, say what is damaged
    or missing, and are complete when the last block is out.
    """

    channels: int = 0
    blocks: Iterator[bytes] = field(default_factory=lambda: iter(()))
    samples: int = 0

    @property
    def seconds(self) -> float:
        return self.samples / SAMPLE_RATE


@contextlib.contextmanager
def sound(blocks: Iterable[bytes], *, limits: Limits | None = None) -> Iterator[Sound]:
    """The first audio track of a file, of a video too, cut into blocks anywhere. The file may be
    growing still, its blocks come when they come: what they hold comes out without waiting for
    more. Only an MP4 that isn't in fragments can't be understood before its end.

    Enters once the first samples are there. Two channels stay two; more are mixed to one. On
    leaving, nothing is left that runs: that waits for `blocks` to end or to yield, an empty block
    will do.

    Of a damaged file comes what can be had, and what was lost is told. Raises NotAudioError if
    not one sample comes of it; then or out of the sound's blocks, what else `ffmpeg.run` raises but
    damage, and what `blocks` raises.
    """
    limits, made, over = limits or Limits(), Sound(), threading.Event()
    segment = whole(_until(over, blocks), warn=made.warn)
    with contextlib.ExitStack() as stack:
        data = stack.enter_context(ticking(segment.data))
        stack.callback(over.set)
        conversation = opened(replace(segment, data=data), _OUTPUTS, inputs=_INPUTS, limits=limits)
        ffmpeg, feed = stack.enter_context(conversation)
        output = stack.enter_context(contextlib.closing(ffmpeg.converse(feed)))
        samples = _samples(output, made, limits)
        told = _judged(samples, made, ffmpeg, segment)
        made.blocks = itertools.chain([next(told)], told)
        yield made


def _until(over: threading.Event, blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        if over.is_set():
            return
        yield block


def _judged(
    samples: Iterator[bytes], made: Sound, ffmpeg: Ffmpeg, segment: Segment
) -> Iterator[bytes]:
    yield from samples
    try:
        damage = judged(segment, ffmpeg, made.samples, SAMPLE_RATE)
    except DamagedError as error:
        damage = error.damage
    if damage:
        made.warn(f"{segment.name}: {damage.reason}", damage.lost_seconds)


def _samples(output: Iterator[bytes], made: Sound, limits: Limits) -> Iterator[bytes]:
    """Those behind the header, which are counted before anybody sees them."""
    head, header = b"", None
    for block in output:
        head += block
        if header := wav.parse(head):
            break
    if not header:
        return
    made.channels = header.channels if header.channels <= _MOST_CHANNELS else 1
    behind = itertools.chain([head[header.data_offset :]], output)
    for block in whole_frames(behind, header.frame_bytes, SAMPLE_RATE, made.warn):
        made.samples += len(block) // header.frame_bytes
        limits.check(made.samples, SAMPLE_RATE)
        yield block if made.channels == header.channels else _mixed(block, header.channels)


def _mixed(block: bytes, channels: int) -> bytes:
    """In one channel, as loud as channels are together that differ."""
    import numpy as np  # noqa: PLC0415  # 0.1 s that hardly any sound needs

    frames = np.frombuffer(block, "<i2").reshape(-1, channels)
    together = frames.sum(axis=1) / math.sqrt(channels)
    mixed: bytes = together.clip(-(2**15), 2**15 - 1).astype("<i2").tobytes()
    return mixed
