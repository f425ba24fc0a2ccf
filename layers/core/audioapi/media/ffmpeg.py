"""Runs FFmpeg on bytes that nobody vouches for, and streams out the samples it makes of them.

What keeps it safe: the format is forced, never guessed by FFmpeg, so a playlist can't open other
files; only the protocol in use is allowed; nothing is inherited from the environment; the kernel
limits what it may use and write; and what comes out is counted, not believed.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from audioapi.media import mp4
from audioapi.media.errors import DamagedError, TooLargeError
from audioapi.media.messages import LEVEL, Messages
from audioapi.media.pieces import pieces
from audioapi.media.process import Limits, started
from audioapi.media.segments import Pcm
from audioapi.media.sniff import Container

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from audioapi.media.damage import Damage
    from audioapi.media.process import Ffmpeg
    from audioapi.media.segments import Segment

__all__ = ["Limits", "decode", "judged", "opened", "run", "to_stdout"]

_BLOCK_BYTES = 1024 * 1024  # FFmpeg writes little at a time, each of which would cost its readers
_NEEDS_SEEK = {Container.MP4, Container.CAF, Container.AIFF}
"""What a reader has to know may stand at the end: an MP4 through a pipe gives no sample, and exit
status 0. All others decode from a pipe to the very samples they decode to from a file."""


def decode(
    segment: Segment,
    *,
    sample_rate: int,
    channels: int,
    limits: Limits | None = None,
    loglevel: str = "error",
) -> Generator[bytes, None, Damage | None]:
    """The segment's samples, s16le and interleaved at `sample_rate` Hz, in blocks of up to 1 MB.

    Returns and raises what `run` does.
    """
    target = Pcm("s16le", sample_rate, channels)
    outputs = "-map", "0:a:0", *to_stdout(target)
    return run(segment, outputs, target, limits=limits or Limits(), loglevel=loglevel)


def run(  # noqa: PLR0913 - by keyword, but for what goes in and what comes out
    segment: Segment,
    outputs: Sequence[str],
    target: Pcm,
    *,
    limits: Limits,
    loglevel: str,
    hear: Callable[[str], None] | None = None,
) -> Generator[bytes, None, Damage | None]:
    """What FFmpeg makes of the segment on its standard output, which has to be `target`, in blocks
    of 1 MB, the last one shorter. `outputs` are the arguments that say what it makes; `hear` gets
    each line of its messages.

    Returns what is wrong with bytes that it decoded nevertheless, None if nothing.
    Raises NotAudioError if there is not one sample in them, DamagedError if FFmpeg gives up after
    some, TooLongError, TooLargeError and TooSlowError past a limit. What isn't the bytes' fault:
    CommandError if FFmpeg can't do what it is asked to, LostSoundError if less came out than it
    decoded, FileNotFoundError where there is none, ChildProcessError if somebody else ended it.
    """
    passed = 0
    with opened(segment, outputs, limits=limits, loglevel=loglevel, hear=hear) as (ffmpeg, feed):
        for block in pieces(ffmpeg.converse(pieces(feed, _BLOCK_BYTES)), _BLOCK_BYTES):
            passed += len(block)
            limits.check(passed // target.frame_bytes, target.sample_rate)
            yield block
        return judged(segment, ffmpeg, passed // target.frame_bytes, target.sample_rate)


def judged(segment: Segment, ffmpeg: Ffmpeg, samples: int, sample_rate: int) -> Damage | None:
    """What the end of an FFmpeg means that made so many samples per channel of the segment: what is
    wrong with the bytes though they could be decoded, None if nothing. Raises what `run` does.
    """
    seconds = samples / sample_rate
    try:
        return segment.judged(ffmpeg.verdict(samples, sample_rate), seconds)
    except DamagedError as error:
        damage = segment.judged(error.damage, seconds) or error.damage
        raise DamagedError(damage) from error


@contextlib.contextmanager
def opened(  # noqa: PLR0913 - as above
    segment: Segment,
    outputs: Sequence[str],
    *,
    limits: Limits,
    loglevel: str = "error",
    hear: Callable[[str], None] | None = None,
    inputs: Sequence[str] = (),
) -> Iterator[tuple[Ffmpeg, Iterator[bytes]]]:
    """An FFmpeg that is about to read the segment, and what to converse with it about. `inputs` are
    the arguments that say how it reads, `outputs` what it makes.
    """
    with _input(segment, limits) as source:
        command = [*_command(segment.kind, source, inputs), *outputs]
        messages = Messages(hear, loglevel=loglevel)
        with started(command, source.stdin, limits, messages, until=source.until) as ffmpeg:
            yield ffmpeg, source.feed


def to_stdout(pcm: Pcm) -> tuple[str, ...]:
    """The arguments that make an output of such samples."""
    # Else each frame is written alone, and wakes whoever reads.
    return "-flush_packets", "0", *_format(pcm), "pipe:1"


@dataclass(frozen=True)
class _Input:
    """The URL that FFmpeg reads from, what its standard input is, what to feed to that, and the
    second `until` which it is to read, if not to the end.
    """

    url: str
    stdin: int | IO[bytes]
    feed: Iterator[bytes]
    until: float | None = None


@contextlib.contextmanager
def _input(segment: Segment, limits: Limits) -> Iterator[_Input]:
    if segment.kind not in _NEEDS_SEEK:
        yield _Input("pipe:0", subprocess.PIPE, segment.data)
        return
    # Without a name from the start, so that not even a killed process leaves it behind.
    with tempfile.TemporaryFile() as spooled:
        for piece in segment.data:
            if spooled.tell() + len(piece) > limits.disk_bytes:
                reason = f"a file of its kind may have {limits.disk_bytes} bytes"
                raise TooLargeError(f"{segment.name} can't be read as it comes: {reason}")
            spooled.write(piece)
        size = spooled.tell()
        spooled.seek(0)
        if segment.kind is Container.MP4 and size:
            with mmap.mmap(spooled.fileno(), 0, access=mmap.ACCESS_READ) as file:
                segment.promise.seconds = mp4.presented_seconds(file)
        yield _Input("file:/dev/fd/0", spooled, iter(()), segment.promise.seconds)


def _command(kind: Container | Pcm, source: _Input, inputs: Sequence[str]) -> list[str]:
    return [
        *(_executable(), "-nostdin", "-hide_banner", "-nostats", "-v", LEVEL),
        *("-protocol_whitelist", source.url.partition(":")[0]),
        # Threads lose frames where one FLAC follows another in a file (7.0), and keep some back.
        *("-threads", "1"),
        *(_format(kind) if isinstance(kind, Pcm) else ("-f", kind.value)),
        # FFmpeg leaves out packets behind the end of an edit list; within one, only from 9.0 on.
        *(() if source.until is None else ("-t", f"{source.until:.6f}")),
        *(*inputs, "-i", source.url),
    ]


def _format(pcm: Pcm) -> tuple[str, ...]:
    return "-f", pcm.encoding, "-ar", str(pcm.sample_rate), "-ac", str(pcm.channels)


def _executable() -> str:
    found = os.environ.get("FFMPEG_PATH") or shutil.which("ffmpeg")
    if not found:
        raise FileNotFoundError("FFmpeg is neither on PATH nor named by FFMPEG_PATH")
    return str(Path(found).absolute())  # FFmpeg works in another folder
