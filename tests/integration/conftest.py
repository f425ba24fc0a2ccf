"""The template's own tables, queues and bucket, in moto, and the environment its functions get."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from audioapi import database, identity, migrations, objects, queues, settings, tables
from audioapi.analysis.text import bedrock
from audioapi.speech import amazon
from audioapi.streaming import notices, store
from local.processes.supervisor import Supervisor
from local.services import ffmpeg, provision, quick_moto
from local.services.aws import Aws
from local.services.clients import Clients, connect
from local.services.postgres import Postgres
from local.template import reader
from tests.integration import moto_state, quick_boto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moto.core.config import DefaultConfig

    from local.template.model import Stack

ENDPOINT = "https://sqs.us-east-1.amazonaws.com"
DEPLOYMENT = reader.Deployment("http://127.0.0.1:8000", ENDPOINT)
PARAMETERS = {
    "AllowAnonymousStreaming": "true",
    "CloseSettleSeconds": "0",
    "DatabaseUrlSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:database-url",
    "Transcriber": "none",
    "AllowPrivateWebhooks": "true",
}
CACHED = (
    settings.identity,
    settings.streaming,
    settings.gateway,
    settings.database,
    settings.memories,
    settings.processing,
    settings.uploads,
    settings.webhooks,
    settings.idempotency,
    settings.library,
    settings.worker,
    settings.jobs_failed,
    settings.routes,
    settings.analysis,
    settings.live,
    settings.analysis_stream,
    settings.live_events,
    settings.live_failed,
    settings.health,
    tables.client,
    tables._client_that_asks_once,
    queues.client,
    objects.client,
    store.connection,
    notices._gateway,
    identity.jwt_secret,
    identity._jwks,
    amazon.client,
    bedrock.client,
)


KEEP_SESSION: DefaultConfig = {"core": {"reset_boto3_session": False}}
"""For moto. A new session of boto3's reads the models of all services anew: 0.2 s a test."""


@pytest.fixture(scope="session")
def described() -> Stack:
    """The template, which takes a second to read."""
    return reader.load(Path("template.yaml"), PARAMETERS, DEPLOYMENT)


@pytest.fixture(scope="session")
def aws_clients() -> Clients:
    """moto answers them while it is on, wherever they were made."""
    return connect(None)


@pytest.fixture(scope="session")
def provisioned(described: Stack, aws_clients: Clients) -> Any:
    """What moto holds once the template's tables, queues and bucket are there."""
    with mock_aws(config=KEEP_SESSION):
        provision.provision(described.resources.values(), aws_clients)
        return moto_state.copied()


@pytest.fixture
def stack(described: Stack, provisioned: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    variables = {"AWS_DEFAULT_REGION": DEPLOYMENT.region}
    for function in described.functions.values():
        variables |= function.environment
    # moto stands in for the gateway too, under the name it has on AWS.
    variables["WEBSOCKET_ENDPOINT"] = "https://api.execute-api.us-east-1.amazonaws.com/live"
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "client", shared_client)
    forget()
    with mock_aws(config=KEEP_SESSION):
        moto_state.put_back(provisioned)
        yield described
    forget()


@pytest.fixture
def empty(stack: Stack, provisioned: Any) -> Callable[[], None]:
    """Empties tables, queues and bucket, for what is done many times in a test."""
    return partial(moto_state.put_back, provisioned)


@pytest.fixture
def own_clients(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test that changes clients."""
    monkeypatch.setattr(boto3, "client", new_client)
    forget()


quick_moto.quicken()
quick_boto.quicken()
moto_state.take_turns()
new_client = boto3.client
shared_client = quick_boto.shared(boto3.client)


def forget() -> None:
    """Settings are read once an environment; each test is a new one. Its clients and its connection
    to the database are all tests': to make them takes longer than most of them.
    """
    for cached in CACHED:
        cached.cache_clear()


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of the tests' own, migrated to the newest revision."""
    home = tmp_path_factory.mktemp("postgres")
    with Supervisor(home / "stack.json") as supervisor:
        server = Postgres(home, home / "postgres.log", supervisor)
        server.start()
        migrations.upgrade(server.url)
        yield server.url
        database.forget()
        server.stop()


@pytest.fixture
def database_secret(stack: Stack, aws_clients: Clients, database_url: str) -> None:
    """Lets the functions of `stack` find the PostgreSQL."""
    aws_clients.secrets.create_secret(Name="database-url", SecretString=database_url)


@pytest.fixture(autouse=True)
def _real_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """FFMPEG_PATH's, else the one that the local stack would take."""
    monkeypatch.setenv("FFMPEG_PATH", os.environ.get("FFMPEG_PATH") or str(ffmpeg.find()))


@pytest.fixture(scope="session")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    with Supervisor(tmp_path_factory.mktemp("guard") / "stack.json") as supervisor:
        yield supervisor


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory, supervisor: Supervisor) -> Iterator[Aws]:
    """The local stack's own server of AWS's services."""
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
