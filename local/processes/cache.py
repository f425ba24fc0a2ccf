"""What is kept on this machine for all checkouts and runs, because making it takes long."""

from __future__ import annotations

import os
from pathlib import Path


def users_cache() -> Path:
    """https://specifications.freedesktop.org/basedir-spec/latest/"""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "serverless-audio"


def keep(path: Path, text: str, *, newest: int) -> None:
    """Whole or not at all. Of the files beside it only the `newest` stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
    kept = sorted(path.parent.glob(f"*{path.suffix}"), key=changed_at, reverse=True)
    for old in kept[newest:]:
        old.unlink(missing_ok=True)


def changed_at(path: Path) -> int:
    """In ns; 0 for what somebody else has just removed."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
