"""What the commands share: where the stack is, what the user sees, and how a command ends."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

_LOCAL_STACK = Path(".local/stack.json")
_DEFAULT_URL = "ws://localhost:8000/api"


class Exit(IntEnum):
    """130 is what a shell makes of a program that SIGINT ended: 128 + 2."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INTERRUPTED = 130


class UsageError(Exception):
    """The command can't be run as it was given."""


@dataclass(frozen=True)
class Target:
    """The stack to talk to."""

    url: str
    api_key: str | None
    http_url: str | None

    @classmethod
    def of(cls, options: argparse.Namespace) -> Target:
        """Options first, then the environment, then the stack that runs in this directory.

        That one's key goes to that one's address only.
        """
        url = options.url or os.environ.get("AUDIO_URL")
        key = options.api_key or os.environ.get("AUDIO_API_KEY")
        if url is None and _LOCAL_STACK.exists():
            stack = _read_local_stack()
            url, key = f"{stack['ws_url']}/api", key or stack["api_key"]
        return cls(url or _DEFAULT_URL, key, options.http_url)


def add_target_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the stack", "default: the one that runs in this directory")
    group.add_argument(
        "--url", help=f"its address, up to /api, or AUDIO_URL (default: {_DEFAULT_URL})"
    )
    group.add_argument("--api-key", metavar="KEY", help="or AUDIO_API_KEY")
    group.add_argument(
        "--http-url",
        metavar="URL",
        help="its HTTP API's address, up to /api, where --url is a WebSocket API's own",
    )


class Terminal:
    """Results go to stdout, as lines or one JSON object; everything else goes to stderr."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.stderr = Console(stderr=True, highlight=False)

    def result(self, values: Mapping[str, object]) -> None:
        if self.as_json:
            sys.stdout.write(json.dumps(values) + "\n")
            return
        width = max(map(len, values))
        for name, value in values.items():
            if value not in (None, []):
                sys.stdout.write(f"{name.replace('_', ' '):<{width}}  {value}\n")

    def failure(self, reason: str, **about: object) -> None:
        self.say(f"error: {reason}")
        if self.as_json:
            self.result({**about, "status": "error", "error": reason})

    def say(self, line: str) -> None:
        self.stderr.print(line, markup=False, soft_wrap=True)

    def bar(self, *more: ProgressColumn) -> Progress:
        """A progress bar of bytes; no bar beside JSON."""
        return Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            *more,
            TimeRemainingColumn(),
            console=Console(quiet=True) if self.as_json else self.stderr,
        )

    @contextlib.contextmanager
    def warnings(self) -> Iterator[None]:
        """Shows what the client logs, above the progress bar if there is one."""
        handler = RichHandler(logging.WARNING, self.stderr, show_time=False, show_path=False)
        client = logging.getLogger("audio_client")
        client.addHandler(handler)
        try:
            yield
        finally:
            client.removeHandler(handler)


def _read_local_stack() -> dict[str, str]:
    try:
        stack = json.loads(_LOCAL_STACK.read_bytes())
        return {name: stack[name] for name in ("ws_url", "api_key")}
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{_LOCAL_STACK} can't be used ({error!r}): give --url") from error
