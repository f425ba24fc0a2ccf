"""PostgreSQL as the stack runs it."""

from __future__ import annotations

import shutil
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from sqlalchemy import text

from audioapi import database
from local.processes.ports import free_port
from local.services import postgres
from local.services.postgres import Postgres, PostgresError, pristine_cluster
from tests.integration.local.programs import all_gone, program
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.processes.supervisor import Supervisor

RUNNER = """
import sys, time
from pathlib import Path
import psutil
from local.processes.supervisor import Supervisor
from local.services.postgres import Postgres

home = Path(sys.argv[1])
supervisor = Supervisor(home / "stack.json")
server = Postgres(home / "postgres", home / "postgres.log", supervisor)
server.start()
processes = psutil.Process().children(recursive=True)
print(*[process.pid for process in processes], flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a cluster is made only once for these tests; longer than a socket's path may be."""
    home = tmp_path_factory.mktemp("home") / ("x" * 120)
    home.mkdir()
    return home


@contextmanager
def running(home: Path, supervisor: Supervisor, cache: Path | None = None) -> Iterator[Postgres]:
    home.mkdir(exist_ok=True)
    server = Postgres(home / "postgres", home / "postgres.log", supervisor, cache=cache)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def ask(url: str, query: str) -> Any:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


def test_it_answers_libpq_and_the_functions_alike(home: Path, supervisor: Supervisor) -> None:
    with running(home, supervisor) as server:
        assert ask(server.url, "SELECT lower('ÄÉ'), current_setting('timezone')") == [("äé", "UTC")]
        with database.unpooled(server.url).connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1


def test_every_run_begins_with_an_empty_database(home: Path, supervisor: Supervisor) -> None:
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    with running(home, supervisor) as server:
        ask(server.url, "CREATE TABLE kept (id int)")
        assert ask(server.url, tables) == [(1,)]
    with running(home, supervisor) as server:
        assert ask(server.url, tables) == [(0,)]


def test_starts_share_a_cluster_that_is_made_once(tmp_path: Path, supervisor: Supervisor) -> None:
    cache = tmp_path / "cache"
    with running(tmp_path / "one", supervisor, cache):
        [cluster] = cache.glob("postgres-*/cluster")
        made = cluster.stat()
    with running(tmp_path / "other", supervisor, cache):
        assert cluster.stat() == made


def test_several_run_side_by_side(home: Path, tmp_path: Path, supervisor: Supervisor) -> None:
    with running(home, supervisor) as one, running(tmp_path, supervisor) as other:
        ask(one.url, "CREATE TABLE of_one (id int)")
        assert ask(other.url, "SELECT to_regclass('of_one')") == [(None,)]


def test_nobody_gets_in_without_the_password(home: Path, supervisor: Supervisor) -> None:
    with running(home, supervisor) as server:
        scheme, _, address = server.url.partition("//")
        without = f"{scheme}//postgres:guess@{address.partition('@')[2]}"
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            ask(without, "SELECT 1")


def test_a_killed_runner_leaves_no_server_and_hinders_no_start(
    home: Path, supervisor: Supervisor
) -> None:
    with program(RUNNER, home) as (runner, output):
        pids = list(map(int, output.readline().split()))
        assert len(pids) > 2
        runner.kill()
        until(all_gone(pids))
    with running(home, supervisor) as server:
        assert ask(server.url, "SELECT 1") == [(1,)]


def test_a_killed_server_hinders_no_start(home: Path, supervisor: Supervisor) -> None:
    with running(home, supervisor) as server:
        assert server._process is not None
        server._process.kill()
    with running(home, supervisor) as server:
        assert ask(server.url, "SELECT 1") == [(1,)]


def test_a_port_that_somebody_else_took_is_exchanged(
    home: Path, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1], free_port()])
        monkeypatch.setattr(postgres, "free_port", lambda: next(ports))
        with running(home, supervisor) as server:
            assert ask(server.url, "SELECT 1") == [(1,)]


def test_a_server_that_cannot_start_says_why(tmp_path: Path, supervisor: Supervisor) -> None:
    cache = tmp_path / "cache"
    shutil.rmtree(pristine_cluster(cache) / "cluster" / "global")
    with (
        pytest.raises(PostgresError, match="could not open file"),
        running(tmp_path, supervisor, cache),
    ):
        pass


def test_it_ends_at_once_even_with_a_client(home: Path, supervisor: Supervisor) -> None:
    with running(home, supervisor) as server:
        connection = psycopg2.connect(server.url)
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 5
        with pytest.raises(psycopg2.OperationalError):
            connection.cursor().execute("SELECT 1")
        connection.close()
