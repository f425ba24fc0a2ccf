"""Ending a process together with whatever it started."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence


def kill_session(leader: int, *, spare: Sequence[int] = ()) -> None:
    """SIGKILL everybody in the session that `leader` began, and their descendants, but for `spare`
    and theirs.

    Descendants count because a function may run FFmpeg in a session of its own.
    """
    members = {pid for pid in psutil.pids() if session(pid) == leader}
    spared = set(spare).union(*map(descendants, spare))
    for pid in members.union(*map(descendants, members)) - spared:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def descendants(pid: int) -> set[int]:
    try:
        return {child.pid for child in psutil.Process(pid).children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


def is_alive(pid: int) -> bool:
    """Whether it still runs, which a dead process that nobody has waited for doesn't."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def gone(pid: int) -> None:
    """Until a process has ended that need not be a child of ours; on Linux."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def peak_memory(pid: int) -> int | None:
    """MB of the largest resident set so far, where the system tells it of others: on Linux."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return None
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(peak[1]) // 1024 if peak else None
