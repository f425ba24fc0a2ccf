"""Notices that the source of a function has changed."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Fingerprint = Mapping[str, tuple[int, int]]

SUFFIXES = (".py", ".json", ".sh", ".txt")


def fingerprint(folders: Iterable[Path]) -> Fingerprint:
    """When each source file was last changed, in ns, and its size in bytes."""
    found: dict[str, tuple[int, int]] = {}
    for folder in folders:
        scan(folder, found)
    return found


def scan(folder: Path | str, found: dict[str, tuple[int, int]]) -> None:
    # What goes away while it is looked at is missing from the result: that is a change, too.
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__pycache__":
                continue
            if entry.is_dir():
                scan(entry.path, found)
            elif entry.name.endswith(SUFFIXES):
                status = entry.stat()
                found[entry.path] = (status.st_mtime_ns, status.st_size)


def forget_bytecode(before: Fingerprint, after: Fingerprint) -> None:
    """Remove what Python compiled from files that have changed.

    Python takes bytecode for current if the source has the same size and was changed in the same
    second, which an editor that saves twice makes true of the wrong bytecode.
    """
    for path, status in after.items():
        if path.endswith(".py") and before.get(path, status) != status:
            Path(cache_from_source(path)).unlink(missing_ok=True)
