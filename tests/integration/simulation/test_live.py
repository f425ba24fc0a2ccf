"""What was acknowledged of a live conversation is told, whatever happens outside
(docs/decisions/0015).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.simulation.live import Live

if TYPE_CHECKING:
    from tests.integration.simulation.conftest import Runs
    from tests.soak import Soak


@pytest.mark.soak
def test_what_was_acknowledged_is_told(runs: Runs, soak: Soak) -> None:
    runs.hold([Live], soak, few=30)


def test_a_seed_gives_the_same_run(runs: Runs) -> None:
    runs.repeats([Live], 4)
