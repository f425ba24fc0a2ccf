"""The command line: `python -m audio_client COMMAND …`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from audio_client import stream_command, upload_command
from audio_client.errors import AudioClientError
from audio_client.terminal import Exit, Terminal, UsageError, add_target_options

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = {"stream": stream_command, "upload": upload_command}


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status; argparse raises SystemExit(2) by itself."""
    options = _parser().parse_args(arguments)
    terminal = Terminal(as_json=options.json)
    try:
        with terminal.warnings():
            return int(options.run(options, terminal))
    except UsageError as error:
        terminal.failure(str(error))
        return Exit.USAGE
    except AudioClientError as error:
        terminal.failure(str(error))
        return Exit.FAILED
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m audio_client", description="A client of the serverless audio backend."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in _COMMANDS.items():
        subparser = commands.add_parser(name, help=command.HELP, description=command.__doc__)
        command.add_options(subparser)
        add_target_options(subparser)
        subparser.add_argument("--json", action="store_true", help="one JSON object, no bar")
        subparser.set_defaults(run=command.run)
    return parser
