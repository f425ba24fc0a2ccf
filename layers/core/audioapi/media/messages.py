"""What FFmpeg says while it runs, line by line: nothing of it is kept but what was asked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LINE_BYTES = 4096
_REASON_LENGTH = 200
_ERROR = re.compile(r"\[(?:error|fatal|panic)\] (.+)")


class Messages:
    """Takes FFmpeg's messages as they come, in pieces; `hear` gets each line without its end, of
    long ones the beginning. Needs levels in front of them, as `-v level+...` puts them there.
    """

    def __init__(self, hear: Callable[[str], None] | None = None) -> None:
        self._hear = hear
        self._line = b""
        self._error: str | None = None
        self._no_track = False

    @property
    def reason(self) -> str | None:
        """The first error, which names the cause, without the names of FFmpeg's insides."""
        return "There is no audio track in it" if self._no_track else self._error

    def add(self, piece: bytes) -> None:
        """Takes the next bytes; none of them say that it was the last line."""
        first, *more = piece.split(b"\n")
        self._grow(first)
        for start in more:
            self._end_line()
            self._grow(start)
        if not piece:
            self._end_line()

    def _grow(self, piece: bytes) -> None:
        self._line += piece[: _LINE_BYTES - len(self._line)]

    def _end_line(self) -> None:
        line, self._line = self._line.decode(errors="replace"), b""
        self._no_track = self._no_track or "matches no streams" in line
        if not self._error and (found := _ERROR.search(line)):
            self._error = found.group(1)[:_REASON_LENGTH].strip()
        if self._hear:
            self._hear(line)
