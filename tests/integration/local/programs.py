"""What tests of processes share: a program that is killed, and whether something is still there."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from local.processes.sessions import is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]


@contextmanager
def program(source: str, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Runs `source`, killed at the end of the block if it still runs; also gives its output."""
    process = subprocess.Popen(
        [sys.executable, "-c", source, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process:
        try:
            yield process, cast("IO[str]", process.stdout)
        finally:
            process.kill()


def all_gone(pids: list[int]) -> Callable[[], bool]:
    return lambda: not any(is_alive(pid) for pid in pids)
