"""The schema is brought up by a deployment and from a shell, once, and CloudFormation is told."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import boto3
import psycopg2
import pytest
from moto import mock_aws
from sqlalchemy import text

from audioapi import database, identity, migrations, settings
from audioapi.migrations.__main__ import main
from local.processes.supervisor import Supervisor
from local.services.postgres import Postgres
from tests.serving import serving
from tests.unit.audioapi.context import Context

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

FAR_TOO_LATE = 300.0


class Deployed(Context):
    """A function's context with so many seconds left."""

    def __init__(self, seconds: float = FAR_TOO_LATE) -> None:
        super().__init__()
        self.get_remaining_time_in_millis = lambda: int(seconds * 1000)  # type: ignore[method-assign]


class CloudFormation:
    """Where answers are put, and what arrived."""

    def __init__(self) -> None:
        self.answers: deque[tuple[str, str | None, dict[str, Any]]] = deque()
        answers = self.answers

        class Bucket(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answers.append((self.path, self.headers["Content-Type"], json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Tests print nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Bucket)

    def event(self, request: str) -> dict[str, Any]:
        return {
            "RequestType": request,
            "ResponseURL": f"http://127.0.0.1:{self.server.server_port}/answer?X-Amz-Signature=s",
            "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/audio/1",
            "RequestId": "request-1",
            "ResourceType": "Custom::SchemaMigration",
            "LogicalResourceId": "Schema",
            "ResourceProperties": {"ServiceToken": "arn", "Revision": migrations.head()},
        }


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    running = CloudFormation()
    with serving(running.server):
        yield running


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    home = tmp_path_factory.mktemp("postgres")
    with Supervisor(home / "stack.json") as supervisor:
        server = Postgres(home, home / "postgres.log", supervisor)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def url(cluster: Postgres) -> str:
    """An empty database."""
    with database.unpooled(cluster.url).connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("DROP DATABASE IF EXISTS fresh WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE fresh"))
    return cluster.url.rpartition("/")[0] + "/fresh"


@pytest.fixture
def function(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("API_KEYS_TABLE", "keys")
    monkeypatch.setenv("DATABASE_SECRET_ARN", "database")
    for name in ("AUDIO_BUCKET", "STREAMS_TABLE", "JOBS_QUEUE_URL", "NOTIFICATIONS_QUEUE_URL"):
        monkeypatch.setenv(name, name.lower())
    forget()
    spec = importlib.util.spec_from_file_location("migrate_app", "functions/migrate/app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with mock_aws(config={"core": {"passthrough": {"urls": [r"http://127\.0\.0\.1"]}}}):
        boto3.client("secretsmanager").create_secret(Name="database", SecretString=url)
        boto3.client("dynamodb").create_table(
            TableName="streams_table",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield module
    forget()


def forget() -> None:
    """What the environment and the secrets hold."""
    settings.database.cache_clear()
    settings.identity.cache_clear()
    settings.streaming.cache_clear()
    identity.jwt_secret.cache_clear()
    database.forget()


def tables(url: str) -> set[str]:
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    with database.unpooled(url).connect() as connection:
        return set(connection.scalars(text(query)))


def revision(url: str) -> str | None:
    with database.unpooled(url).connect() as connection:
        return migrations.current(connection)


def test_a_deployment_brings_the_schema_and_says_so(
    function: ModuleType, cloudformation: CloudFormation, url: str
) -> None:
    function.lambda_handler(cloudformation.event("Create"), Deployed())
    assert revision(url) == migrations.head()
    assert "organizations" in tables(url)
    [(path, content_type, answer)] = cloudformation.answers
    assert path == "/answer?X-Amz-Signature=s"
    assert content_type == ""  # CloudFormation signed it so
    assert answer == {
        "Status": "SUCCESS",
        "PhysicalResourceId": "schema",
        "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/audio/1",
        "RequestId": "request-1",
        "LogicalResourceId": "Schema",
        "Data": {"Revision": migrations.head()},
    }


def test_the_same_deployment_told_twice_changes_nothing(
    function: ModuleType, cloudformation: CloudFormation, url: str
) -> None:
    for request in ("Create", "Update", "Update"):
        function.lambda_handler(cloudformation.event(request), Deployed())
    answers = [answer for _, _, answer in cloudformation.answers]
    assert {answer["Status"] for answer in answers} == {"SUCCESS"}
    assert {answer["PhysicalResourceId"] for answer in answers} == {"schema"}


def test_deleting_the_stack_leaves_what_people_keep(
    function: ModuleType, cloudformation: CloudFormation, url: str
) -> None:
    migrations.upgrade(url)
    function.lambda_handler(cloudformation.event("Delete"), Deployed())
    assert "organizations" in tables(url)
    [(_, _, answer)] = cloudformation.answers
    assert answer["Status"] == "SUCCESS"


def test_an_empty_event_migrates_by_hand(function: ModuleType, url: str) -> None:
    event = json.loads(Path("events/migrate.json").read_text())
    assert function.lambda_handler(event, Deployed()) == {"revision": migrations.head()}
    assert revision(url) == migrations.head()


def test_a_migration_that_fails_is_told_and_leaves_the_schema_as_it_was(
    function: ModuleType, cloudformation: CloudFormation, url: str
) -> None:
    with database.unpooled(url).begin() as connection:
        connection.execute(text("CREATE TABLE organizations (id int)"))  # somebody else's
    function.lambda_handler(cloudformation.event("Create"), Deployed())
    [(_, _, answer)] = cloudformation.answers
    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == '42P07: relation "organizations" already exists'
    assert answer["PhysicalResourceId"] == "schema"
    assert tables(url) == {"organizations"}


@pytest.mark.parametrize(
    ("reason", "held"),
    [
        ("JWT_SECRET_ARN: the secret has less than 32 bytes, which HS256 needs", "hush"),
        ("JWT_SECRET_ARN: the secret can't be read: ResourceNotFoundException", None),
        ("JWT_SECRET_ARN: the secret holds bytes, where text is needed", b"hush"),
        ("DATABASE_SECRET_ARN: the secret holds no PostgreSQL URL", "hush"),
        ("DATABASE_SECRET_ARN: the secret can't be read: ResourceNotFoundException", None),
    ],
)
def test_a_secret_that_will_not_do_is_told_by_name(
    function: ModuleType,
    cloudformation: CloudFormation,
    monkeypatch: pytest.MonkeyPatch,
    reason: str,
    held: str | bytes | None,
) -> None:
    monkeypatch.setenv(reason.partition(":")[0], "given")
    forget()
    if isinstance(held, str):
        boto3.client("secretsmanager").create_secret(Name="given", SecretString=held)
    elif held:
        boto3.client("secretsmanager").create_secret(Name="given", SecretBinary=held)
    function.lambda_handler(cloudformation.event("Update"), Deployed())
    [(_, _, answer)] = cloudformation.answers
    assert (answer["Status"], answer["Reason"]) == ("FAILED", reason)


def test_a_database_that_is_not_there_is_told_without_secrets(
    function: ModuleType, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function, "within", lambda _, work: work())  # which may be over before
    boto3.client("secretsmanager").put_secret_value(
        SecretId="database", SecretString="postgresql://audio:hush@127.0.0.1:1/audio"
    )
    function.lambda_handler(
        cloudformation.event("Create"), Deployed(function.RESERVED_SECONDS + 0.5)
    )
    [(_, _, answer)] = cloudformation.answers
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("The database can't be reached: ")
    assert "refused" in answer["Reason"]
    assert "hush" not in json.dumps(answer)


def test_a_database_that_is_just_being_made_is_waited_for(
    function: ModuleType, cloudformation: CloudFormation, cluster: Postgres, url: str
) -> None:
    with database.unpooled(cluster.url).connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("ALTER DATABASE fresh ALLOW_CONNECTIONS false"))
        event = cloudformation.event("Create")
        deploying = Thread(target=function.lambda_handler, args=(event, Deployed()))
        deploying.start()
        deploying.join(0.3)
        assert not cloudformation.answers
        connection.execute(text("ALTER DATABASE fresh ALLOW_CONNECTIONS true"))
        deploying.join()
    [(_, _, answer)] = cloudformation.answers
    assert answer["Status"] == "SUCCESS"


@contextmanager
def locked(url: str) -> Iterator[None]:
    """As if another migration would never end."""
    with database.unpooled(url).begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": migrations._LOCK})
        yield


def test_a_database_that_hangs_is_told_in_time(
    function: ModuleType, cloudformation: CloudFormation, url: str
) -> None:
    with locked(url):
        function.lambda_handler(
            cloudformation.event("Create"), Deployed(function.RESERVED_SECONDS + 0.3)
        )
        [(_, _, answer)] = cloudformation.answers
    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == "The database doesn't answer"


def test_a_lost_answer_is_raised_so_that_lambda_tries_again(
    function: ModuleType, cloudformation: CloudFormation
) -> None:
    event = cloudformation.event("Delete") | {"ResponseURL": "http://127.0.0.1:1/answer"}
    with pytest.raises(OSError, match="refused"):
        function.lambda_handler(event, Deployed())


def test_two_at_once_take_turns(url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        changes = list(pool.map(migrations.upgrade, [url] * 4))
    assert sorted(change.before or "" for change in changes) == ["", *[migrations.head()] * 3]
    assert {change.after for change in changes} == {migrations.head()}


def test_a_schema_of_newer_code_stays(url: str) -> None:
    migrations.upgrade(url)
    with database.unpooled(url).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert migrations.upgrade(url) == migrations.Change("9999", "9999")


def shell(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "audioapi.migrations"],
        env=os.environ | {"DATABASE_URL": url, "PYTHONPATH": "layers/core"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_shell_is_told_what_was_done(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = shell(url)
    assert first.stdout == f"The schema was at nothing, and is at {migrations.head()} now.\n"
    assert first.stderr == ""
    monkeypatch.setenv("DATABASE_URL", url)
    assert main() == f"The schema is at {migrations.head()} already."


def test_a_shell_is_told_what_is_wrong_without_the_password(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = psycopg2.extensions.parse_dsn(url)["password"]
    refused = shell(url.replace(password, "hush"))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "password authentication failed" in refused.stderr
    told = [refused.stderr]
    for unusable in ("", "hush", "postgresql://audio:hu@sh@localhost/audio"):
        monkeypatch.setenv("DATABASE_URL", unusable)
        with pytest.raises(SystemExit, match="DATABASE_URL must be like") as ended:
            main()
        told.append(str(ended.value))
    for secret in ("hush", "hu@sh", "sh@localhost", "Traceback"):
        assert secret not in "".join(told)
