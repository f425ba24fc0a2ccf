"""Random, long and crowded tests: small in `make test`, for as long as one likes in `make soak`.

SOAK_SECONDS is for all of them together; each has an equal share. A test that takes part has the
marker `soak` and asks the fixture of that name how much it is to do. Hypothesis's take part as they
are.
"""

from __future__ import annotations

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
    seeds_used: list[int] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str, few: int, many: int) -> int:
        """How many of something there are: `few` in `make test`."""
        self.counts[what] = many if self.seconds else few
        return self.counts[what]

    def seeds(self, few: int) -> Iterator[int]:
        """A seed for each random run: always the same `few` in `make test`; when soaking new ones,
        until the time is over. One that fails is the last that was printed.
        """
        for seed in self._seeds(few):
            self.seeds_used.append(seed)
            print(f"{self.name}: SOAK_SEED={seed}")  # noqa: T201 - to have it again
            yield seed

    def _seeds(self, few: int) -> Iterator[int]:
        if SEED or not self.seconds:
            yield from [SEED] if SEED else range(1, few + 1)
            return
        until = time.monotonic() + self.seconds
        while not self.seeds_used or time.monotonic() < until:
            yield random.SystemRandom().randrange(1, 2**32)

    def __str__(self) -> str:
        counts = [f"{count} {what}" for what, count in self.counts.items()]
        if self.seeds_used:
            counts.append(f"{len(self.seeds_used)} runs, the last with seed {self.seeds_used[-1]}")
        return f"{self.name}: {', '.join(counts)}"
