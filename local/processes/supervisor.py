"""Leaves no process behind, whatever becomes of the stack.

    python -m local.processes.supervisor RECORD PID

The runner names each process it starts, every one the leader of a session of its own, on a pipe
that nobody else holds. When the pipe ends, because the runner has finished, crashed or been killed,
the supervisor ends what is left of those sessions and removes the record that told other programs
where the stack was.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from local.processes.sessions import descendants, is_alive, session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

ROOT = Path(__file__).parents[2]
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 2.0
"""Seconds that a farewell signal may take before SIGKILL follows."""
PATIENCE = 5.0
"""Seconds after which the supervisor gives up on a process that even SIGKILL doesn't end."""


class Supervisor:
    """The runner's side: whatever way this context ends, it is the end of every watched session."""

    def __init__(self, record: Path) -> None:
        with blocked(IGNORED):  # and inherited so: it is deaf to them from its first moment
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local.processes.supervisor", str(record), str(os.getpid())],
                stdin=subprocess.PIPE,
                cwd=ROOT,
                start_new_session=True,
                text=True,
                bufsize=1,
            )

    def watch(self, leader: int, farewell: signal.Signals = signal.SIGKILL) -> None:
        """`leader` is a session's first process; `farewell` is the signal it is ended with."""
        assert self._process.stdin is not None  # noqa: S101 - tells mypy what PIPE means
        self._process.stdin.write(f"{leader} {farewell:d}\n")

    def close(self) -> None:
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Session:
    leader: psutil.Process
    farewell: int

    def is_ours(self) -> bool:
        """Whether its number still means it: one is given out again once its session is empty."""
        return self.leader.is_running() or not psutil.pid_exists(self.leader.pid)


@contextlib.contextmanager
def blocked(signals: Iterable[signal.Signals]) -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def main(record: Path, runner: int) -> None:
    end(list(told(sys.stdin)))
    remove(record, runner)


def told(lines: Iterator[str]) -> Iterator[Session]:
    for line in lines:
        leader, farewell = map(int, line.split())
        with contextlib.suppress(psutil.NoSuchProcess):
            yield Session(psutil.Process(leader), farewell)


def end(sessions: Sequence[Session]) -> None:
    """Looking for survivors may take long, so that patience is lost only after a SIGKILL."""
    started = time.monotonic()
    while left := survivors(sessions):
        took = time.monotonic() - started
        for pid, farewell in left.items():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if took > GRACE else farewell)
        if took > PATIENCE:
            return
        time.sleep(0.02)


def survivors(sessions: Sequence[Session]) -> dict[int, int]:
    """Who still lives in these sessions, or descends from one who does, and its farewell.

    Descendants count because PostgreSQL's, and FFmpeg, are in sessions of their own.
    """
    farewells = {one.leader.pid: one.farewell for one in sessions if one.is_ours()}
    left: dict[int, int] = {}
    for pid in psutil.pids():
        leader = session(pid)
        if leader in farewells and is_alive(pid):
            left |= dict.fromkeys({pid, *descendants(pid)}, farewells[leader])
    return left


def remove(record: Path, runner: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        if json.loads(record.read_text())["pid"] == runner:
            record.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
