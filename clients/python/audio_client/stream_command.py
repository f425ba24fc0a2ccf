"""Streams a file, or what comes through a pipe, into a session, and tells where its WAV file is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import TextColumn

from audio_client.errors import AudioClientError, ProcessingFailedError, SessionRefusedError
from audio_client.frames import CHUNK_BYTES
from audio_client.sources import paced, pieces, pipe
from audio_client.streamer import AudioStreamer
from audio_client.terminal import Exit, Target, Terminal, UsageError
from audio_client.wav import WavFormat, read_format

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterable, Iterator
    from typing import BinaryIO

    from audio_client.session import Progress

HELP = "stream a file or standard input into a session"

_FORMATS = ("wav", "mp3", "flac", "aac")
_SAMPLE_RATES = (8000, 16000, 22050, 44100, 48000, 96000)
_CHANNELS = (1, 2)
_RAW_SAMPLE_BYTES = 2  # raw audio is s16le


@dataclass(frozen=True)
class Audio:
    """`size` in bytes is None for what has no end yet, `byte_rate` in bytes per second for what is
    compressed.
    """

    file: BinaryIO
    name: str
    size: int | None
    is_pipe: bool
    sample_rate: int
    channels: int
    format: str
    byte_rate: int | None


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", metavar="FILE", help="the audio, or - for standard input")
    add("--session", metavar="ID", help="resume this session: a FILE where it stopped, - with more")
    add(
        "--user-id", metavar="ID", help="whose session it is, where the stack allows anonymous ones"
    )
    add("--sample-rate", metavar="HZ", type=int, help="default: a WAV file's own, else 44100")
    add("--channels", metavar="N", type=int, help="default: a WAV file's own, else 1")
    add("--format", choices=_FORMATS, help="default: from FILE's name, else wav")
    add("--window", metavar="N", type=int, default=16, help="chunks in flight (default: 16)")
    add("--real-time", action="store_true", help="no faster than the audio would be recorded")
    add("--no-wait", action="store_true", help="don't wait for the WAV file after the last chunk")


def run(options: argparse.Namespace, terminal: Terminal) -> Exit:
    target = Target.of(options)
    with _opened(options.file) as file:
        audio = _described(file, options)
        if options.real_time and audio.byte_rate is None:
            raise UsageError("--real-time needs WAV or raw audio, whose bytes tell the time")
        streamer = _streamer(target, options.window)
        try:
            terminal.result(asyncio.run(_streamed(streamer, audio, options, terminal)))
        except KeyboardInterrupt:
            terminal.failure("interrupted", session_id=streamer.session_id)
            _advise(terminal, streamer, options)
            return Exit.INTERRUPTED
        except AudioClientError as error:
            terminal.failure(str(error), session_id=streamer.session_id)
            if not isinstance(error, ProcessingFailedError | SessionRefusedError):
                _advise(terminal, streamer, options)
            return Exit.FAILED
    return Exit.OK


async def _streamed(
    streamer: AudioStreamer, audio: Audio, options: argparse.Namespace, terminal: Terminal
) -> dict[str, object]:
    async with streamer:
        done = await _attach(streamer, audio, options)
        with terminal.bar(TextColumn("{task.fields[acked]} acked")) as bar:
            row = bar.add_task(audio.name, total=audio.size, completed=done, acked=0)

            def show(progress: Progress) -> None:
                acked = progress.chunks_acked
                bar.update(row, completed=done + progress.bytes_acked, acked=acked)

            sent = await streamer.stream(_source(audio, options), on_progress=show)
            frame = await streamer.finish()
            if not options.no_wait:
                bar.update(row, description="making the file")
                frame = await streamer.wait_until_ready()
                bar.update(row, description=audio.name)
            return {
                "session_id": streamer.session_id,
                "status": frame.get("status"),
                "duration_seconds": frame.get("duration_seconds"),
                "lost_seconds": frame.get("lost_seconds"),
                "file_path": frame.get("file_path"),
                "missing_chunks": frame.get("missing_chunks", []),
                "download_url": frame.get("download_url"),
                "bytes_sent": sent.bytes_acked,
                "chunks_sent": sent.chunks_acked,
            }


async def _attach(streamer: AudioStreamer, audio: Audio, options: argparse.Namespace) -> int:
    """Returns how many bytes of the audio are in the session."""
    if options.session is None:
        await streamer.create_session(
            options.user_id, audio.sample_rate, audio.channels, audio.format
        )
        return 0
    await streamer.connect_to_session(options.session, options.user_id)
    if audio.size is not None:
        return _skip(audio.file, audio.size, streamer.next_seq)
    if streamer.has_gaps:
        raise AudioClientError("This session misses chunks: only its file can fill the gaps")
    return 0


def _skip(file: BinaryIO, size: int, chunks: int) -> int:
    """Chunks are cut in the same places every time, so that their number tells the position."""
    if chunks > -(-size // CHUNK_BYTES):
        raise AudioClientError(f"The session holds {chunks} chunks, more than this file has")
    return file.seek(min(chunks * CHUNK_BYTES, size))


def _source(audio: Audio, options: argparse.Namespace) -> AsyncIterable[bytes]:
    source = pipe(audio.file) if audio.is_pipe else pieces(audio.file)
    if options.real_time and audio.byte_rate is not None:
        return paced(source, audio.byte_rate)
    return source


@contextlib.contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - closed below; errors of the block aren't its own
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from error
    with file:
        yield file


def _described(file: BinaryIO, options: argparse.Namespace) -> Audio:
    status = os.fstat(file.fileno())
    regular = stat.S_ISREG(status.st_mode)
    header = read_format(file) if regular else None
    suffix = Path(options.file).suffix.lower().lstrip(".")
    rate, channels = _parameters(header, options)
    kind = options.format or (suffix if suffix in _FORMATS else "wav")
    raw_rate = rate * channels * _RAW_SAMPLE_BYTES if kind == "wav" else None
    return Audio(
        file=file,
        name="standard input" if options.file == "-" else Path(options.file).name,
        size=status.st_size if regular else None,
        is_pipe=stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode) or file.isatty(),
        sample_rate=rate,
        channels=channels,
        format=kind,
        byte_rate=header.byte_rate if header else raw_rate,
    )


def _parameters(header: WavFormat | None, options: argparse.Namespace) -> tuple[int, int]:
    """What the user says goes to the server as it is, which knows what is valid."""
    rate, channels = 44100, 1
    if header is not None and header.sample_rate in _SAMPLE_RATES:
        rate = header.sample_rate
    if header is not None and header.channels in _CHANNELS:
        channels = header.channels
    return options.sample_rate or rate, options.channels or channels


def _streamer(target: Target, window: int) -> AudioStreamer:
    try:
        return AudioStreamer(
            target.url, api_key=target.api_key, http_url=target.http_url, window=window
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _advise(terminal: Terminal, streamer: AudioStreamer, options: argparse.Namespace) -> None:
    """How to go on with a session that is still there. Repeats no key."""
    if streamer.session_id is None:
        return
    if streamer.is_closed:
        terminal.say(f"Session {streamer.session_id} is complete; its file is being made.")
        return
    command = ["python", "-m", "audio_client", "stream", options.file]
    for option in ("user_id", "url", "http_url"):
        if value := getattr(options, option):
            command += [f"--{option.replace('_', '-')}", value]
    command += ["--session", streamer.session_id]
    key = " --api-key …" if options.api_key else ""
    terminal.say(f"Session {streamer.session_id} is open; resume with: {shlex.join(command)}{key}")
