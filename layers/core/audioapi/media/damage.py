"""What recordings lack, said to whoever sent them and counted in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

_MOST_WARNINGS = 20


@dataclass(frozen=True)
class Damage:
    """What is wrong with a recording of which sound came nevertheless. `lost_seconds` is how much
    is missing, None if nothing tells.
    """

    reason: str
    lost_seconds: float | None


@dataclass
class Promise:
    """How many seconds of sound a file says that it has, as far as it has been read; None if it
    doesn't. To fall short of that is damage, if it's `binding`.
    """

    seconds: float | None = None
    binding: bool = True


class Warn(Protocol):
    """Takes a warning and how many seconds of sound are missing for it, None if nothing tells."""

    def __call__(self, text: str, lost_seconds: float | None = 0.0, /) -> object: ...


@dataclass
class DamageReport:
    """The `warnings` about a recording, the first twenty, and what all of them cost."""

    warnings: list[str] = field(default_factory=list)
    _lost_seconds: float = field(default=0.0, init=False)
    _unknown: bool = field(default=False, init=False)

    @property
    def lost_seconds(self) -> float | None:
        """How much sound is missing, at least; None if some is and nothing tells how much."""
        return round(self._lost_seconds, 6) if self._lost_seconds or not self._unknown else None

    def warn(self, text: str, lost_seconds: float | None = 0.0, /) -> None:
        if lost_seconds is None:
            self._unknown = True
        else:
            self._lost_seconds += lost_seconds
        if len(self.warnings) < _MOST_WARNINGS:
            self.warnings.append(text)
