"""An upload has one end, which is as it was answered (docs/decisions/0015)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.simulation.uploads import Uploads

if TYPE_CHECKING:
    from tests.integration.simulation.conftest import Runs
    from tests.soak import Soak


@pytest.mark.soak
def test_an_upload_ends_as_it_was_answered(runs: Runs, soak: Soak) -> None:
    runs.hold([Uploads], soak, few=25)


def test_a_seed_gives_the_same_run(runs: Runs) -> None:
    runs.repeats([Uploads], 4)
