"""What was acknowledged is in the file, whatever happens outside (docs/decisions/0015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.simulation.streams import Streams

if TYPE_CHECKING:
    from tests.integration.simulation.conftest import Runs
    from tests.soak import Soak


@pytest.mark.soak
def test_what_was_acknowledged_is_in_the_file(runs: Runs, soak: Soak) -> None:
    runs.hold([Streams], soak, few=100)


def test_a_seed_gives_the_same_run(runs: Runs) -> None:
    runs.repeats([Streams], 4)
