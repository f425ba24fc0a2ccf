"""Runs of the simulation, seed by seed; one that fails is told as a story."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.integration.simulation.shrink import fewest
from tests.integration.simulation.simulation import Outcome, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from local.template.model import Stack
    from tests.integration.simulation.simulation import Families
    from tests.soak import Soak


@dataclass
class Runs:
    """Each begins in a world in which nothing is left of the last one's."""

    stack: Stack
    monkeypatch: pytest.MonkeyPatch
    empty: Callable[[], None]

    def run(self, families: Families, seed: int, only: Collection[str] | None = None) -> Outcome:
        self.empty()
        return simulate(self.stack, self.monkeypatch, families, seed, only)

    def hold(self, families: Families, soak: Soak, *, few: int) -> None:
        """Nothing goes wrong with any seed."""
        for seed in soak.seeds(few):
            outcome = self.run(families, seed)
            for what, count in outcome.counts.items():
                soak.counts[what] = soak.counts.get(what, 0) + count
            assert not outcome.wrong, story(partial(self.run, families, seed), outcome)

    def repeats(self, families: Families, seed: int) -> None:
        """The seed gives the same run again."""
        first, again = self.run(families, seed), self.run(families, seed)
        assert first.struck
        assert (again.struck, again.counts) == (first.struck, first.counts)


def story(run: Callable[[Sequence[str]], Outcome], failed: Outcome) -> str:
    causes = list(dict.fromkeys(each.cause for each in failed.struck))
    return run(fewest(causes, lambda only: bool(run(only).wrong))).story()


@pytest.fixture
def runs(stack: Stack, empty: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(stack, monkeypatch, empty)


@pytest.fixture
def runs_with_database(runs: Runs, database_secret: None) -> Runs:
    return runs
