"""What is deleted stays so, and all else is kept whole (docs/decisions/0015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.simulation.memories import Memories

if TYPE_CHECKING:
    from tests.integration.simulation.conftest import Runs
    from tests.soak import Soak


@pytest.mark.soak
def test_what_is_deleted_stays_so(runs_with_database: Runs, soak: Soak) -> None:
    runs_with_database.hold([Memories], soak, few=25)


def test_a_seed_gives_the_same_run(runs_with_database: Runs) -> None:
    runs_with_database.repeats([Memories], 4)
