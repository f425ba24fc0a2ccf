"""What FFmpeg says while it runs, line by line: nothing of it is kept but what was asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LEVEL = "level+verbose"
"""What `-v` has to be: levels stand in front of the lines, and FFmpeg says what it decoded."""

_LINE_BYTES = 4096
_REASON_LENGTH = 200
_ERROR = re.compile(r"\[(error|fatal|panic)\] (.+)")
_QUIETER = {"quiet": (), "panic": ("panic",), "fatal": ("panic", "fatal")}
"""FFmpeg's levels at which not every error is said."""
# Of the command line and of filter graphs, as FFmpeg 5 to 9 say it. The bytes have no part in it,
# unless their format is one that nobody records in.
_OUR_FAULT = re.compile(
    r"Unrecognized option|Option (?:'.*' )?not found|No such filter|Protocol not found"
    r"|Error (?:applying|setting) option|Error parsing (?:a filter|filterchain)"
    r"|(?:re)?initializing filter|Simple filtergraph"
    r"|Failed to configure (?:input|output) pad|Failed to inject frame into filter network"
    r"|Requested output format|Unknown (?:input format|encoder)|Could not write header"
)
# What enters a filter graph, once whenever it is set up.
_FORMAT = re.compile(
    r"\[(graph_\S+) @ \w+\] \[verbose\] tb:\S+ .*samplerate:(\d{1,10}) chlayout:(.*)"
)
_HIGHEST_RATE = 1_000_000
_NO_LAYOUT = re.compile(r"\d+ channels|ambisonic")
_DECODED = re.compile(
    r".*Input stream #0:\d+ \(audio\): .* (\d{1,18}) frames decoded"
    r"(?:; (\d{1,18}) decode errors)? \((\d{1,18}) samples\); ?"
)


@dataclass(frozen=True)
class Decoded:
    """What FFmpeg counted between its decoder and its filters: `samples` per channel in `frames`;
    and `errors`, packets that gave none.
    """

    samples: int = 0
    frames: int = 0
    errors: int = 0


class Messages:
    """Takes FFmpeg's messages as they come, in pieces; `hear` gets each line without its end, of
    long ones the beginning. Needs them as `LEVEL` makes them; at which level an error is a reason,
    `loglevel` says. `rates` are those of the sound, in Hz, one after the other as it changes;
    `odd_format` is one that filters may not cope with.
    """

    def __init__(
        self, hear: Callable[[str], None] | None = None, *, loglevel: str = "error"
    ) -> None:
        self.decoded = Decoded()
        self.rates: list[int] = []
        self.odd_format = False
        self._hear = hear
        self._said = _QUIETER.get(loglevel, ("panic", "fatal", "error"))
        self._line = b""
        self._error: str | None = None
        self._fault: str | None = None
        self._no_track = False
        self._graph = ""

    @property
    def reason(self) -> str | None:
        """The first error, which names the cause, without the names of FFmpeg's insides."""
        return "There is no audio track in it" if self._no_track else self._error

    @property
    def our_fault(self) -> str | None:
        """The first error, if FFmpeg couldn't do what it was asked to, whatever the bytes are."""
        return None if self.odd_format else self._fault

    @property
    def lost_seconds(self) -> float | None:
        """What the packets that couldn't be decoded would have given, if they were like others;
        None if there are none, or no others.
        """
        decoded = self.decoded
        if not (decoded.errors and decoded.frames and self.rates):
            return None
        return decoded.errors * decoded.samples / decoded.frames / self.rates[-1]

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
        if found := _ERROR.search(line):
            self._note_error(found.group(1), found.group(2)[:_REASON_LENGTH].strip())
        elif found := _FORMAT.fullmatch(line):
            self._note_format(found.group(1), int(found.group(2)), found.group(3))
        elif found := _DECODED.fullmatch(line):
            frames, errors, samples = (int(number or 0) for number in found.groups())
            self.decoded = Decoded(samples, frames, errors)
        if self._hear:
            self._hear(line)

    def _note_error(self, level: str, error: str) -> None:
        if level in self._said:
            self._error = self._error or error
        if not self._fault and _OUR_FAULT.search(error):
            self._fault = error

    def _note_format(self, graph: str, rate: int, layout: str) -> None:
        """What one of the graphs gets, each others do."""
        self._graph = self._graph or graph
        if graph == self._graph:
            self.rates.append(rate)
        if rate > _HIGHEST_RATE or _NO_LAYOUT.match(layout):
            self.odd_format = True
