"""What is remembered of uploads that are not done yet, so that a command that was killed goes on.

One small file each, in the user's state directory:
https://specifications.freedesktop.org/basedir-spec/latest/
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Version:
    """What tells a file from what it was before. Size in bytes."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        return cls(status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class Begun:
    """An upload of a version of a file."""

    upload_id: str
    version: Version


class Journal:
    """The upload of one file to one server."""

    def __init__(self, server: str, file: Path) -> None:
        name = hashlib.sha256(f"{server}\n{file}".encode(errors="surrogateescape")).hexdigest()
        self._path = _directory() / f"{name[:32]}.json"
        self._about = {"server": server, "file": str(file)}

    def read(self) -> Begun | None:
        """None also if the file was damaged: the upload then begins anew."""
        try:
            kept = json.loads(self._path.read_bytes())
            version = Version(kept["size"], kept["mtime_ns"])
            return Begun(str(kept["upload_id"]), version)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, begun: Begun) -> None:
        """Whole or not at all. An upload goes on without, it just can't be resumed."""
        kept = {**self._about, **asdict(begun.version), "upload_id": begun.upload_id}
        unfinished = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            unfinished.write_text(json.dumps(kept))
            unfinished.replace(self._path)
        except OSError as error:
            log.warning("If this is interrupted, it can't go on later: %s", error)

    def forget(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink()


def _directory() -> Path:
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    state = given if given.is_absolute() else Path.home() / ".local" / "state"
    return state / "audio-client" / "uploads"
