"""Runs FFmpeg on bytes that nobody vouches for, and streams out the samples it makes of them.

What keeps it safe: the format is forced, never guessed by FFmpeg, so a playlist can't open other
files; only the protocol in use is allowed; nothing is inherited from the environment; the kernel
limits what it may use and write; and what comes out is counted, not believed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from audioapi.media.errors import TooLargeError
from audioapi.media.messages import Messages
from audioapi.media.pieces import pieces
from audioapi.media.process import Limits, started
from audioapi.media.segments import Pcm
from audioapi.media.sniff import Container

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from audioapi.media.process import Ffmpeg
    from audioapi.media.segments import Segment

__all__ = ["Limits", "decode", "opened", "run", "to_stdout"]

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
) -> Generator[bytes, None, str | None]:
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
) -> Generator[bytes, None, str | None]:
    """What FFmpeg makes of the segment on its standard output, which has to be `target`, in blocks
    of 1 MB, the last one shorter. `outputs` are the arguments that say what it makes; `hear` gets
    each line of its messages.

    Returns what FFmpeg had against bytes that it decoded nevertheless, None if nothing.
    Raises NotAudioError if there is not one sample in them, DamagedError if FFmpeg gives up after
    some, TooLongError, TooLargeError and TooSlowError past a limit, FileNotFoundError where there
    is no FFmpeg, ChildProcessError if somebody else ended it.
    """
    passed = 0
    with opened(segment, outputs, limits=limits, loglevel=loglevel, hear=hear) as (ffmpeg, feed):
        for block in pieces(ffmpeg.converse(pieces(feed, _BLOCK_BYTES)), _BLOCK_BYTES):
            passed += len(block)
            limits.check(passed // target.frame_bytes, target.sample_rate)
            yield block
        return ffmpeg.verdict(samples=passed // target.frame_bytes)


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
    with _input(segment, limits) as (url, stdin, feed):
        command = [*_command(segment.kind, url, loglevel, inputs), *outputs]
        with started(command, stdin, limits, Messages(hear)) as ffmpeg:
            yield ffmpeg, feed


def to_stdout(pcm: Pcm) -> tuple[str, ...]:
    """The arguments that make an output of such samples."""
    # Else each frame is written alone, and wakes whoever reads.
    return "-flush_packets", "0", *_format(pcm), "pipe:1"


@contextlib.contextmanager
def _input(
    segment: Segment, limits: Limits
) -> Iterator[tuple[str, int | IO[bytes], Iterator[bytes]]]:
    """The URL that FFmpeg reads from, what its standard input is, and what to feed to that."""
    if segment.kind not in _NEEDS_SEEK:
        yield "pipe:0", subprocess.PIPE, segment.data
        return
    # Without a name from the start, so that not even a killed process leaves it behind.
    with tempfile.TemporaryFile() as spooled:
        for piece in segment.data:
            if spooled.tell() + len(piece) > limits.disk_bytes:
                reason = f"a file of its kind may have {limits.disk_bytes} bytes"
                raise TooLargeError(f"{segment.name} can't be read as it comes: {reason}")
            spooled.write(piece)
        spooled.seek(0)
        yield "file:/dev/fd/0", spooled, iter(())


def _command(kind: Container | Pcm, url: str, loglevel: str, inputs: Sequence[str]) -> list[str]:
    return [
        *(_executable(), "-nostdin", "-hide_banner", "-nostats", "-v", f"level+{loglevel}"),
        *("-protocol_whitelist", url.partition(":")[0]),
        *(_format(kind) if isinstance(kind, Pcm) else ("-f", kind.value)),
        *(*inputs, "-i", url),
    ]


def _format(pcm: Pcm) -> tuple[str, ...]:
    return "-f", pcm.encoding, "-ar", str(pcm.sample_rate), "-ac", str(pcm.channels)


def _executable() -> str:
    found = os.environ.get("FFMPEG_PATH") or shutil.which("ffmpeg")
    if not found:
        raise FileNotFoundError("FFmpeg is neither on PATH nor named by FFMPEG_PATH")
    return str(Path(found).absolute())  # FFmpeg works in another folder
