"""The command line of the local stack: `python -m local serve|run|demo|logs`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from audio_client import AudioClientError
from local.command_line import sample, tail
from local.command_line.console import (
    LogHandler,
    Screen,
    addresses,
    memory,
    session,
    session_links,
    verdict,
)
from local.processes.waiting import unless
from local.services.aws import AwsError
from local.services.clients import forget_aws
from local.services.ffmpeg import FfmpegError
from local.services.postgres import PostgresError
from local.stack.stack import LocalStack, Options, PortTakenError, SeedError
from local.stack.state import StateTakenError
from local.template.intrinsics import TemplateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.stack.state import Address

SAMPLE = Path(__file__).parents[1] / "samples" / "speech.wav"
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130  # 130 as a shell tells of SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status; argparse ends the program by itself, with 2."""
    options = parser().parse_args(arguments)
    forget_aws()
    screen = Screen()
    logging.getLogger().addHandler(LogHandler(screen))
    try:
        status: int = asyncio.run(options.command(options, screen))
    except PortTakenError as error:
        another = f"PORT={error.port + 1}"
        screen.problem(f"{error}; choose another with {another}, or --port {error.port + 1}")
        return USAGE
    except (FfmpegError, StateTakenError, TemplateError) as error:
        screen.problem(str(error))
        return USAGE
    except (AwsError, PostgresError, SeedError, tail.LogsError) as error:
        screen.problem(str(error))
        return FAILED
    return status


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local",
        description="Runs template.yaml on this machine: functions, gateways, queues and stores.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command, summary, *groups in (
        (serve, "start the stack and keep it up until Ctrl-C", server_options, stack_options),
        (run, "start it, stream a sample through it, keep it up", server_options, stack_options),
        (demo, "stream FILE through a stack of its own and check it", demo_options, stack_options),
        (logs, "show what functions wrote, as sam logs does", log_options),
    ):
        description = f"{summary[0].upper()}{summary[1:]}."
        subparser = commands.add_parser(command.__name__, help=summary, description=description)
        subparser.set_defaults(command=command)
        for add_options in groups:
            add_options(subparser)
    return parser


def stack_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--parameter",
        metavar="NAME=VALUE",
        type=assignment,
        action="append",
        default=[],
        help="a parameter of the template; may be repeated (defaults: local/parameters.yaml)",
    )


def server_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--port",
        type=int,
        default=8000,
        help="where to listen; 0: any that is free (default: 8000)",
    )
    add("--state", type=Path, default=Path(".local"), metavar="FOLDER", help="(default: .local)")
    add("--strict", action="store_true", help="be as strict as AWS: see docs/local.md")
    add("--no-watch", action="store_true", help="let changed code wait for the next start")
    add(
        "--no-snapshots",
        action="store_true",
        help="start each environment from nothing, as without SnapStart",
    )
    add("--quiet", action="store_true", help="keep functions' log lines in their files only")
    add(
        "--variable",
        metavar="NAME=VALUE",
        type=assignment,
        action="append",
        default=[],
        help="an environment variable for every function, such as HTTP_PROXY; may be repeated",
    )


def log_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state", type=Path, default=Path(".local"), metavar="FOLDER", help="(default: .local)"
    )
    tail.add_options(parser)


def demo_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="WAV, MP3 or raw 16-bit audio")


def assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


async def serve(options: argparse.Namespace, screen: Screen) -> int:
    stopped = stop_on_signals()
    async with AsyncExitStack() as up:
        address = await start(up, server(options, screen), screen)
        urls = (address.url, f"{address.ws_url}/api/ws/audio", *address.function_urls.values())
        screen.line(f"ready: {', '.join(urls)}, key {address.api_key}")
        await stopped.wait()
        screen.line("Stopping")
    return OK


async def run(options: argparse.Namespace, screen: Screen) -> int:
    stopped = stop_on_signals()
    started = time.monotonic()
    async with AsyncExitStack() as up:
        address = await start(up, server(options, screen), screen)
        took = time.monotonic() - started
        screen.table(f"Ready after {took:.1f} s", addresses(address, options.state))
        await unless(stopped, show_sample(address, screen))
        if not stopped.is_set():
            screen.line("\nServing until Ctrl-C", "bold green")
        await stopped.wait()
        screen.line("Stopping")
    return OK


async def demo(options: argparse.Namespace, screen: Screen) -> int:
    if not options.file.is_file():
        screen.problem(f"There is no file {options.file}")
        return USAGE
    stopped = stop_on_signals()
    state = Path(tempfile.mkdtemp(prefix="audio-demo-"))
    chosen = Options(state, port=0, parameters=dict(options.parameter))
    async with AsyncExitStack() as up:
        address = await start(up, chosen, screen)
        status = await unless(stopped, prove(options.file, address, state, screen))
    if status == FAILED:
        screen.problem(f"What the functions said is in {chosen.state / 'logs'}")
        return FAILED
    shutil.rmtree(state)
    return INTERRUPTED if status is None else status


async def logs(options: argparse.Namespace, _: Screen) -> int:
    """Ctrl-C ends it as the shell expects of a reader, which holds nothing."""
    try:
        tail.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # `make logs | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush
    return OK


def server(options: argparse.Namespace, screen: Screen) -> Options:
    return Options(
        state=options.state,
        port=options.port,
        strict=options.strict,
        watch=not options.no_watch,
        snapshots=not options.no_snapshots,
        parameters=dict(options.parameter),
        variables=dict(options.variable),
        console=None if options.quiet else screen.log_lines(),
    )


async def start(up: AsyncExitStack, options: Options, screen: Screen) -> Address:
    with screen.busy("Starting the stack"):
        stack = await up.enter_async_context(LocalStack(options))
    return stack.address


async def show_sample(address: Address, screen: Screen) -> None:
    try:
        with screen.progress(SAMPLE) as show:
            recording = await sample.stream(SAMPLE, address, show)
    except AudioClientError as error:
        screen.problem(f"The sample did not come through: {error}")
    else:
        told = session(recording, address) | session_links(recording, address)
        screen.table(f"Streamed {SAMPLE.name}", told)


async def prove(file: Path, address: Address, folder: Path, screen: Screen) -> int:
    result, window = folder / "result.wav", folder / "window.wav"
    try:
        with screen.progress(file) as show:
            recording = await sample.stream(file, address, show)
        await sample.fetch(recording.download_url, result)
        checked = await asyncio.to_thread(sample.check, file, result, recording.duration)
        with screen.busy("Waiting for its memories and its transcript"):
            played = await sample.remembered(recording, address)
        await sample.fetch(played.presigned_url, window)
        heard = await asyncio.to_thread(
            sample.check_window, result, window, played.duration, windows=played.windows
        )
    except (AudioClientError, OSError, sample.CheckError) as error:
        screen.problem(f"Failed: {error}")
        return FAILED
    screen.table(f"Streamed {file.name}", session(recording, address))
    screen.table("Played back", memory(played))
    screen.line(f"\n{verdict(checked, heard, file.name)}", "bold green")
    return OK


def stop_on_signals() -> asyncio.Event:
    """Is set by Ctrl-C and its kin; the second ends the process, and the supervisor the others."""
    stopped = asyncio.Event()

    def stop() -> None:
        if stopped.is_set():
            os._exit(INTERRUPTED)
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return stopped
