from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.client.fake_server import FakeServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer().running() as running:
        yield running
