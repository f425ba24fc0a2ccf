from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.processes.supervisor import Supervisor
from local.services.aws import Aws
from local.services.clients import Clients, connect

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    with Supervisor(tmp_path_factory.mktemp("guard") / "stack.json") as supervisor:
        yield supervisor


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory, supervisor: Supervisor) -> Iterator[Aws]:
    server = Aws(tmp_path_factory.mktemp("aws") / "aws.log", supervisor)
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
