"""What was acknowledged is in the file, whatever happens outside (docs/decisions/0015)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.integration.simulation.shrink import fewest
from tests.integration.simulation.simulation import Outcome, simulate
from tests.integration.simulation.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from local.template.model import Stack
    from tests.soak import Soak


@pytest.fixture
def run(
    stack: Stack, empty: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    def begin(seed: int, only: Collection[str] | None = None) -> Outcome:
        empty()
        return simulate(stack, monkeypatch, [Streams], seed, only)

    return begin


@pytest.mark.soak
def test_what_was_acknowledged_is_in_the_file(run: Callable[..., Outcome], soak: Soak) -> None:
    for seed in soak.seeds(100):
        outcome = run(seed)
        for what, count in outcome.counts.items():
            soak.counts[what] = soak.counts.get(what, 0) + count
        assert not outcome.wrong, story(partial(run, seed), outcome)


def test_a_seed_gives_the_same_run(run: Callable[..., Outcome]) -> None:
    first, again = run(4), run(4)
    assert first.struck
    assert (again.struck, again.counts) == (first.struck, first.counts)


def story(run: Callable[[Collection[str]], Outcome], failed: Outcome) -> str:
    causes = list(dict.fromkeys(each.cause for each in failed.struck))
    return run(fewest(causes, lambda only: bool(run(only).wrong))).story()
