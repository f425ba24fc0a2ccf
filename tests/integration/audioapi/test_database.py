"""A transaction is all or nothing, and outlives dropped connections, restarts and new passwords."""

from __future__ import annotations

import json
import os
import signal
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import psycopg2
import pytest
from moto import mock_aws
from psycopg2 import extensions
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from audioapi import database, migrations, settings
from audioapi.organizations import Organization
from audioapi.problems import UnavailableError
from local.processes.ports import free_port
from local.processes.supervisor import Supervisor
from local.services import postgres
from local.services.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

SECRET = "database"
BRIEFLY = 0.5
PATIENTLY = 30.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL that tests may ill-treat, at the same address after each start, if empty."""
    home = tmp_path_factory.mktemp("postgres")
    port = free_port()
    with Supervisor(home / "stack.json") as supervisor, pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres, "free_port", lambda: port)
        server = Postgres(home, home / "postgres.log", supervisor)
        server.start()
        yield server
        server.stop()


@pytest.fixture(autouse=True)
def secret(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The secret that the functions' environment names."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("DATABASE_SECRET_ARN", SECRET)
    settings.database.cache_clear()
    database.forget()
    with mock_aws():
        secrets().create_secret(Name=SECRET, SecretString=server.url)
        yield
    settings.database.cache_clear()
    database.forget()


def secrets() -> Any:
    return boto3.client("secretsmanager")


def keep(value: str) -> None:
    secrets().put_secret_value(SecretId=SECRET, SecretString=value)


def administer(url: str, statement: str, *values: object) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement, values)


def backend(session: Session) -> int:
    found: int = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return found


def one(session: Session) -> int:
    found: int = session.execute(text("SELECT 1")).scalar_one()
    return found


def test_what_is_done_stays_and_what_fails_does_not(server: Postgres) -> None:
    migrations.upgrade(server.url)
    kept, lost = uuid4().hex, uuid4().hex

    def add(session: Session, slug: str) -> Organization:
        organization = Organization(id=uuid4(), name="Acme", slug=slug)
        session.add(organization)
        session.flush()
        return organization

    def fail(session: Session) -> None:
        add(session, lost)
        raise LookupError

    assert database.transaction(lambda session: add(session, kept)).slug == kept
    with pytest.raises(LookupError):
        database.transaction(fail)
    slugs = database.transaction(lambda session: session.scalars(select(Organization.slug)).all())
    assert kept in slugs
    assert lost not in slugs


def test_a_broken_constraint_and_a_mistake_are_told_at_once(server: Postgres) -> None:
    migrations.upgrade(server.url)
    attempts = []

    def twins(session: Session) -> None:
        attempts.append("twins")
        session.add_all(Organization(id=uuid4(), name=name, slug="acme") for name in ("A", "B"))

    def mistake(session: Session) -> None:
        attempts.append("mistake")
        session.execute(text("SELEKT 1"))

    with pytest.raises(IntegrityError):
        database.transaction(twins)
    with pytest.raises(ProgrammingError):
        database.transaction(mistake)
    assert attempts == ["twins", "mistake"]


def test_an_environment_holds_one_connection(server: Postgres) -> None:
    assert len({database.transaction(backend) for _ in range(5)}) == 1


def test_a_connection_dropped_between_requests_is_replaced(server: Postgres) -> None:
    dropped = database.transaction(backend)
    administer(server.url, "SELECT pg_terminate_backend(%s, 5000)", dropped)
    assert database.transaction(backend) != dropped


def test_a_connection_dropped_in_a_transaction_has_it_done_again_whole(server: Postgres) -> None:
    administer(server.url, "CREATE TABLE notes (attempt int)")
    attempts = []

    def write(session: Session) -> None:
        attempts.append(backend(session))
        session.execute(text("INSERT INTO notes VALUES (:n)"), {"n": len(attempts)})
        if len(attempts) == 1:
            administer(server.url, "SELECT pg_terminate_backend(%s, 5000)", attempts[0])

    database.transaction(write, seconds=PATIENTLY)
    notes = database.transaction(lambda session: session.execute(text("TABLE notes")).all())
    assert notes == [(2,)]


@pytest.mark.parametrize(
    "code",
    [
        "40001",  # serialization failure
        "40P01",  # deadlock
        "53300",  # too many connections
        "57P03",  # starting up
        "25006",  # read-only: it was the writer until a failover
    ],
)
def test_what_passes_by_itself_is_tried_again(server: Postgres, code: str) -> None:
    attempts = []

    def work(session: Session) -> None:
        attempts.append(code)
        if len(attempts) == 1:
            raising = f"DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '{code}'; END $$"
            session.execute(text(raising))

    database.transaction(work, seconds=PATIENTLY)
    assert len(attempts) == 2


def test_a_restarted_server_costs_a_retry(server: Postgres) -> None:
    database.transaction(one)
    server.stop()
    starting = Thread(target=server.start)
    starting.start()
    assert database.transaction(backend, seconds=PATIENTLY) > 0
    starting.join()


def test_a_server_that_is_down_for_longer_is_said_to_be_unavailable(server: Postgres) -> None:
    database.transaction(one)
    server.stop()
    try:
        with pytest.raises(UnavailableError, match="can't be reached") as raised:
            database.transaction(one, seconds=BRIEFLY)
    finally:
        server.start()
    assert int(raised.value.headers["Retry-After"]) > 0
    assert raised.value.status == 503
    assert database.transaction(one, seconds=PATIENTLY) == 1


def test_a_connection_that_hangs_is_left(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = database.transaction(backend)
    monkeypatch.setattr(database, "ANSWER_SECONDS", BRIEFLY)
    os.kill(hanging, signal.SIGSTOP)
    try:
        assert database.transaction(backend, seconds=PATIENTLY) != hanging
    finally:
        os.kill(hanging, signal.SIGCONT)


def test_a_server_that_hangs_is_said_to_be_unavailable(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = [database.transaction(backend), server._process.pid if server._process else 0]
    monkeypatch.setattr(database, "ANSWER_SECONDS", BRIEFLY)
    monkeypatch.setattr(database, "CONNECT_SECONDS", BRIEFLY)
    for process in hanging:
        os.kill(process, signal.SIGSTOP)
    try:
        with pytest.raises(UnavailableError):
            database.transaction(one, seconds=BRIEFLY)
    finally:
        for process in hanging:
            os.kill(process, signal.SIGCONT)


def test_a_statement_that_takes_too_long_is_ended_by_the_server(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "STATEMENT_SECONDS", 1)
    with pytest.raises(UnavailableError) as raised:
        database.transaction(
            lambda session: session.execute(text("SELECT pg_sleep(60)")), seconds=BRIEFLY
        )
    assert "canceling statement due to statement timeout" in str(raised.value.__cause__)


def test_a_new_password_is_read_from_the_secret(
    server: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    administer(server.url, "CREATE USER rotating PASSWORD 'hush-1'")
    url = f"postgresql://rotating:%s@{server.url.rpartition('@')[2]}"
    keep(url % "hush-1")
    connected = database.transaction(backend)
    administer(server.url, "ALTER USER rotating PASSWORD 'hush-2'")
    administer(server.url, "SELECT pg_terminate_backend(%s, 5000)", connected)
    keep(url % "hush-2")
    assert database.transaction(backend, seconds=PATIENTLY) != connected
    log = str([vars(record) for record in caplog.records])
    assert "password authentication failed" in log
    assert "hush" not in log


def as_rds_keeps_it(server: Postgres) -> dict[str, Any]:
    parts = extensions.parse_dsn(server.url)
    return {
        "dbClusterIdentifier": "audio",
        "engine": "postgres",
        "host": parts["host"],
        "port": int(parts["port"]),
        "dbname": parts["dbname"],
        "username": parts["user"],
        "password": parts["password"],
    }


def test_the_secret_may_be_as_rds_keeps_it(server: Postgres) -> None:
    awkward = "p@ss'w/o r\\d"
    administer(server.url, "CREATE USER awkward PASSWORD %s", awkward)
    kept = as_rds_keeps_it(server) | {"username": "awkward", "password": awkward}
    keep(json.dumps(kept))
    user = database.transaction(lambda session: session.scalar(text("SELECT current_user")))
    assert user == "awkward"


@pytest.mark.parametrize(
    "value",
    [
        "hush",
        "{hush",
        '{"username": "audio", "password": "hush"}',
        "postgresql://audio:hu/sh@localhost/audio",
        "postgresql://audio:hu@sh@localhost/audio",
        "postgresql://audio:hu%zzsh@localhost/audio",
    ],
)
def test_a_secret_that_is_no_url_is_told_without_its_value(value: str) -> None:
    keep(value)
    with pytest.raises(settings.SettingsError, match="holds no PostgreSQL URL") as raised:
        database.transaction(one)
    assert raised.value.__context__ is None or "hu" not in str(raised.value.__context__)


def test_a_secret_that_cannot_be_reached_is_said_to_be_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match="secret"):
        database.transaction(one)
