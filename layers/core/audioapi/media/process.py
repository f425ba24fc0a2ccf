"""A process that is fed with bytes that nobody vouches for, while what it makes of them is read.

What keeps it safe: nothing is inherited from the environment; the kernel limits what it may use and
write; and it's gone when the block is left, by whichever way.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import resource
import selectors
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, NoReturn, cast

from audioapi.media.damage import Damage
from audioapi.media.errors import (
    CommandError,
    DamagedError,
    LostSoundError,
    NotAudioError,
    TooLongError,
    TooSlowError,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from audioapi.media.messages import Messages

_BLOCK_BYTES = 1024 * 1024
_MESSAGE_BYTES = 4096
_INTERRUPTED = 255
"""FFmpeg's exit status after a signal that it could finish its output for."""
_CHANGE_SECONDS = 0.01
"""What a resampler may have in hand when the sound's format changes and it is set up anew."""


@dataclass(frozen=True)
class Limits:
    """What bytes may come to: seconds of sound in all; and for each run of FFmpeg seconds of CPU,
    seconds in which it neither reads nor writes, bytes of memory, and bytes on disk of a file that
    needs seeking: of Lambda's 512 MB, unless there are more.
    """

    audio_seconds: float = 24 * 3600
    cpu_seconds: int = 800
    stall_seconds: float = 60
    memory_bytes: int = 1024**3
    disk_bytes: int = 480 * 1024**2

    def check(self, samples: int, sample_rate: int) -> None:
        """Raises TooLongError if so many samples per channel are too many."""
        if samples > self.audio_seconds * sample_rate:
            raise TooLongError(f"It holds more than {self.audio_seconds:g} s of sound")


@contextlib.contextmanager
def started(
    command: list[str],
    stdin: int | IO[bytes],
    limits: Limits,
    messages: Messages,
    *,
    until: float | None = None,
) -> Iterator[Ffmpeg]:
    """A running FFmpeg, which is gone when the block is left, by whichever way. `until` is the
    second at which the command cuts what is decoded.
    """
    with subprocess.Popen(
        command,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        cwd="/",
        env={},
        # A Ctrl-C in the terminal would make FFmpeg end as if its input had.
        start_new_session=True,
    ) as process:
        try:
            _restrain(process.pid, limits)
            yield Ffmpeg(process, limits, messages, until)
        finally:
            process.kill()


def _restrain(pid: int, limits: Limits) -> None:
    """Sets the kernel's limits from outside, at once: code between fork and exec is unsafe where
    there are threads. macOS has no such call; there, what is counted here has to do.
    """
    if sys.platform == "linux":
        for kind, most in (
            (resource.RLIMIT_CPU, limits.cpu_seconds),
            (resource.RLIMIT_DATA, limits.memory_bytes),
            (resource.RLIMIT_FSIZE, 0),
            (resource.RLIMIT_CORE, 0),
        ):
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, kind, (most, most))


class Ffmpeg:
    """Talks to the process in one thread, so that what the data's source raises is raised here;
    no more than the pipes hold is ever in memory.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        limits: Limits,
        messages: Messages,
        until: float | None,
    ) -> None:
        self._process = process
        self._limits = limits
        self._until = math.inf if until is None else until
        self._unsent = memoryview(b"")
        self._deaf = False
        self._messages = messages
        self._cpu_before = _cpu_of_ended_children()

    def converse(self, data: Iterable[bytes]) -> Generator[bytes]:
        """Feeds `data` and gives what comes out, until FFmpeg has nothing more to say. An empty
        block of data says that the next one isn't there yet: what comes out isn't held up by it.
        """
        feed, process = iter(data), self._process
        with selectors.DefaultSelector() as ready:
            if process.stdin:
                ready.register(_prepared(process.stdin), selectors.EVENT_WRITE)
            ready.register(_prepared(process.stdout), selectors.EVENT_READ)
            ready.register(_prepared(process.stderr), selectors.EVENT_READ)
            while ready.get_map():
                for stream in self._wait(ready):
                    if stream is process.stdin:
                        goes_on = self._send(stream, feed)
                    elif stream is process.stderr:
                        goes_on = self._listen(stream)
                    elif block := stream.read(_BLOCK_BYTES):
                        yield block
                        continue
                    else:
                        goes_on = False
                    if not goes_on:
                        ready.unregister(stream)
                        stream.close()

    def _wait(self, ready: selectors.BaseSelector) -> list[IO[bytes]]:
        stall = self._limits.stall_seconds
        events = ready.select(stall)
        if not events:
            raise TooSlowError(f"FFmpeg stood still for {stall:g} s")
        return [cast("IO[bytes]", key.fileobj) for key, _ in events]

    def _send(self, stream: IO[bytes], feed: Iterator[bytes]) -> bool:
        """Writes what fits; False when there is no more, or nobody reads it."""
        if not self._unsent:
            block = next(feed, None)
            if block is None:
                return False
            self._unsent = memoryview(block)
        try:
            sent = os.write(stream.fileno(), self._unsent)
        except BlockingIOError:
            return True
        except BrokenPipeError:
            self._deaf = True
            return False
        self._unsent = self._unsent[sent:]
        return True

    def _listen(self, stream: IO[bytes]) -> bool:
        """False when there is no more."""
        message = stream.read(_MESSAGE_BYTES)
        self._messages.add(message)
        return bool(message)

    def verdict(self, samples: int, sample_rate: int) -> Damage | None:
        """What FFmpeg's end after so many samples per channel means: as `ffmpeg.judged` says."""
        status = self._process.wait(self._limits.stall_seconds)
        if status < 0 or status == _INTERRUPTED:
            self._explain_signal(status)
        said = self._messages
        if fault := said.our_fault:
            raise CommandError(f"FFmpeg can't do what it is asked to: {fault}")
        if not said.odd_format and (samples or said.decoded.samples):
            self._check_sum(samples / sample_rate, rounding=1 / sample_rate)
        if samples == 0:
            raise NotAudioError(said.reason or f"There is no sound in it (exit status {status})")
        if status:
            reason = said.reason or f"FFmpeg gave up (exit status {status})"
            raise DamagedError(Damage(reason, said.lost_seconds))
        if said.reason:
            return Damage(said.reason, said.lost_seconds)
        return Damage("FFmpeg took something in it for the end", None) if self._deaf else None

    def _check_sum(self, seconds: float, *, rounding: float) -> None:
        """Raises LostSoundError if that isn't what was decoded, give or take a sample of either. If
        its rate changes, it is known between which lengths the sound is.
        """
        decoded, rates = self._messages.decoded, self._messages.rates
        if not decoded.samples or not rates:
            raise CommandError("FFmpeg doesn't say how much it decoded")
        shortest = min(decoded.samples / max(rates), self._until)
        longest = min(decoded.samples / min(rates), self._until)
        tolerance = rounding + 1 / min(rates) + (len(rates) - 1) * _CHANGE_SECONDS
        if not shortest - tolerance <= seconds <= longest + tolerance:
            raise LostSoundError("what came out has", seconds=seconds, decoded_seconds=shortest)

    def _explain_signal(self, status: int) -> NoReturn:
        """The kernel's SIGKILL past the CPU limit is the bytes' fault; any other signal isn't."""
        most, used = self._limits.cpu_seconds, _cpu_of_ended_children() - self._cpu_before
        # The limit is checked in ticks, the clock that getrusage reads is exact: on a machine with
        # many guests they may be far apart.
        if status == -signal.SIGKILL and used > most / 2:
            raise TooSlowError(f"FFmpeg took more than {most} s of CPU")
        name = signal.Signals(-status).name if status < 0 else "a signal"
        raise ChildProcessError(f"FFmpeg was ended by {name}")


def _prepared(stream: IO[bytes] | None) -> IO[bytes]:
    """The pipe, such that nobody waits at it; and wider, for fewer turns, where that is granted."""
    pipe = cast("IO[bytes]", stream)
    os.set_blocking(pipe.fileno(), False)
    if sys.platform == "linux":
        with contextlib.suppress(PermissionError):  # pipe(7): a user's pipes have a limit together
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _BLOCK_BYTES)
    return pipe


def _cpu_of_ended_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
