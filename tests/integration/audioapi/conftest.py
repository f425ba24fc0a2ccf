"""What is ready for the tests of webhooks: their queue, and somebody who receives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.audioapi.webhook_calls import Queue, prepared
from tests.receiver import Receiver, receiving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.template.model import Stack


@pytest.fixture
def queue(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Queue:
    return prepared(monkeypatch)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening
