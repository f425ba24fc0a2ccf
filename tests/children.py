"""The processes that this one has started."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import psutil

_TASKS = Path("/proc/self/task")


def children() -> set[int]:
    """Their ids. Linux tells them at once; to look at every process of the machine, as psutil does,
    takes longer than most of the tests that ask.
    """
    if not (_TASKS / str(threading.get_native_id()) / "children").exists():
        return {child.pid for child in psutil.Process().children()}
    found: set[int] = set()
    for task in _TASKS.iterdir():
        with suppress(OSError):  # a thread that has ended
            found.update(map(int, (task / "children").read_text().split()))
    return found
