"""Webhooks hear what they are to hear, whatever happens outside (docs/decisions/0015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.simulation.deliveries import Deliveries

if TYPE_CHECKING:
    from tests.integration.simulation.conftest import Runs
    from tests.soak import Soak


@pytest.mark.soak
def test_what_is_announced_arrives(runs: Runs, soak: Soak) -> None:
    runs.hold([Deliveries], soak, few=30)


def test_a_seed_gives_the_same_run(runs: Runs) -> None:
    runs.repeats([Deliveries], 4)
