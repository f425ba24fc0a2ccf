"""All families in one world, where what is streamed is processed and told of, and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.simulation.deliveries import Deliveries
from tests.integration.simulation.memories import Memories
from tests.integration.simulation.streams import Streams
from tests.integration.simulation.uploads import Uploads

if TYPE_CHECKING:
    from tests.integration.simulation.conftest import Runs
    from tests.soak import Soak


@pytest.mark.soak
def test_all_hold_at_once(runs_with_database: Runs, soak: Soak) -> None:
    runs_with_database.hold([Streams, Memories, Deliveries, Uploads], soak, few=4)
