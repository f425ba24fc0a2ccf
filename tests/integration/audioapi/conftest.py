"""A PostgreSQL of the tests' own, migrated to the newest revision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audioapi import database, migrations
from local.guard import Guard
from local.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("postgres")
    with Guard(home / "stack.json") as guard:
        server = Postgres(home, home / "postgres.log", guard)
        server.start()
        migrations.upgrade(server.url)
        yield server.url
        database.engine(server.url).dispose()
        server.stop()
