"""Random, long and crowded tests: small in `make test`, for as long as one likes in `make soak`.

SOAK_SECONDS is for all of them together; each has an equal share. A test that takes part has the
marker `soak` and asks the fixture of that name how much it is to do. Hypothesis's take part as they
are.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = float(os.environ.get("SOAK_SECONDS", "0"))
"""0: a part of `make test`."""
SEED = int(os.environ.get("SOAK_SEED", "0"))
"""Of a run that is to be had again, which then is the only one of its test; 0: none."""


@dataclass
class Soak:
    """How much one test has to do: `seconds` of soaking, and what it did so far."""

    name: str
    seconds: float
    last_seed: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str, few: int, many: int) -> int:
        """How many of something there are: `few` in `make test`."""
        self.counts[what] = many if self.seconds else few
        return self.counts[what]

    def rounds(self, few: int) -> Iterator[int]:
        """1, 2 and so on: `few` in `make test`; when soaking, until the time is over."""
        until = time.monotonic() + self.seconds
        for number in itertools.count(1):
            self.counts["rounds"] = number
            yield number
            if time.monotonic() >= until if self.seconds else number >= few:
                return

    def seeds(self, few: int) -> Iterator[int]:
        """A seed for each round: always the same `few` in `make test`, new ones when soaking.
        One that fails is the last that was printed.
        """
        for number in self.rounds(few):
            seed = SEED or (random.SystemRandom().randrange(1, 2**32) if self.seconds else number)
            self.last_seed = seed
            print(f"{self.name}: SOAK_SEED={seed}")  # noqa: T201 - to have it again
            yield seed
            if SEED:
                return

    def __str__(self) -> str:
        told = [f"{count} {what}" for what, count in self.counts.items()]
        if self.last_seed:
            told.append(f"the last with seed {self.last_seed}")
        return f"{self.name}: {', '.join(told)}"
