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
class Sound:
    """What was encoded: `audio.pcm` of so many seconds in so many `channels`. Before it come as
    many samples as the encoder's `delay` has, and behind it its `padding`, if the container doesn't
    tell them from sound. It comes out with that `gain`.
    """

    seconds: float = 1.0
    channels: int = 1
    delay: int = 0
    padding: int = 0
    gain: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """`parts` each begin a chunk, and may be cut anywhere besides.

    `like` are files: what FFmpeg on its own, from disk, decodes of them one after the other are the
    very samples that have to come out; of a recording these are its parts, if nothing else is said.
    `sounds` are what was encoded, one after the other: one of `seconds`, if nothing else is said.
    `seconds` of sound come out, give or take `within`, or none at all, and `refused` is why.
    `refused` and each of the `warnings` are regular expressions; `lost_seconds` are missing, give
    or take `within`, None if nothing tells how many.
    """

    name: str
    parts: Callable[[], Sequence[bytes]]
    like: Callable[[], Sequence[bytes]] | None = None
    sounds: tuple[Sound, ...] | None = None
    seconds: float = 0.0
    within: float = 0.0005
    refused: str = ""
    warnings: tuple[str, ...] = ()
    lost_seconds: float | None = 0.0
    declared: str = "wav"
    sample_rate: int = 44100
    channels: int = 1

    @property
    def encoded(self) -> tuple[Sound, ...]:
        if self.sounds is None:
            return (Sound(seconds=self.seconds, channels=self.channels),)
        return self.sounds

    def sent(self, secret: str = "") -> list[bytes]:
        """The parts, with the absolute path of a secret file in its place."""
        path = secret.encode().rjust(len(SECRET), b"/")
        return [part.replace(SECRET, path) if secret else part for part in self.parts()]
