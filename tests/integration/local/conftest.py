from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.aws import Aws
from local.clients import Clients, connect
from local.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    with Guard(tmp_path_factory.mktemp("guard") / "stack.json") as guard:
        yield guard


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory, guard: Guard) -> Iterator[Aws]:
    server = Aws(tmp_path_factory.mktemp("aws") / "aws.log", guard)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def clients(aws: Aws) -> Clients:
    return connect(aws.url)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A bucket's, table's or queue's name that no other test has."""
    return f"{request.node.name.removeprefix('test_')[:40].replace('_', '-').strip('-')}"
