"""The folder where a stack keeps what it needs to run: one stack a folder."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class StateTakenError(RuntimeError):
    """Another stack runs in the folder; the message says which, and what to do."""


@dataclass(frozen=True)
class Address:
    """Where everything is, for other programs: the content of `stack.json`.

    `function_urls` are by the function's logical id, and end with a slash.
    """

    url: str
    ws_url: str
    function_urls: Mapping[str, str]
    aws_endpoint_url: str
    database_url: str
    bucket: str
    api_key: str
    pid: int


@dataclass(frozen=True)
class State:
    folder: Path

    @property
    def record(self) -> Path:
        return self.folder / "stack.json"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Ours alone for the block, or until the process ends, however it does. Logs start anew."""
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("a+", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise StateTakenError(
                    f"A stack (process {lock.read()}) runs in {self.folder} already:"
                    " stop it, or choose another folder with --state"
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            for log in self.logs.glob("*.log"):
                log.unlink()
            yield

    @contextmanager
    def announced(self, address: Address) -> Iterator[None]:
        """`stack.json` is there for the block, whole from the start, and for our eyes only."""
        draft = self.record.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(address), indent=2) + "\n")
        draft.replace(self.record)
        try:
            yield
        finally:
            self.record.unlink(missing_ok=True)
