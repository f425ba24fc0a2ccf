"""What a case of the corpus is: parts as a client sends them, and what they must give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SECRET = b"secret.wav".rjust(250, b"/")
"""Stands in hostile parts for the path of a file that must stay unread: however long that is, it
has as many bytes with enough slashes before it.
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """`parts` each begin a chunk, and may be cut anywhere besides.

    `like` are files: what FFmpeg on its own, from disk, decodes of them one after the other are the
    very samples that have to come out; of a recording these are its parts, if nothing else is said.
    `seconds` of sound come out, give or take `within`, or none at all, and `refused` is why.
    `refused` and each of the `warnings` are regular expressions.
    """

    name: str
    parts: Callable[[], Sequence[bytes]]
    like: Callable[[], Sequence[bytes]] | None = None
    seconds: float = 0.0
    within: float = 0.0005
    refused: str = ""
    warnings: tuple[str, ...] = ()
    declared: str = "wav"
    sample_rate: int = 44100
    channels: int = 1

    def sent(self, secret: str = "") -> list[bytes]:
        """The parts, with the absolute path of a secret file in its place."""
        path = secret.encode().rjust(len(SECRET), b"/")
        return [part.replace(SECRET, path) if secret else part for part in self.parts()]
