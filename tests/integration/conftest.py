"""The template's own tables, queues and bucket, in moto, and the environment its functions get."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from audioapi import database, identity, migrations, objects, queues, settings, tables
from audioapi.analysis.text import bedrock
from audioapi.speech import amazon
from audioapi.streaming import notices, store
from local.processes.supervisor import Supervisor
from local.services import clients, ffmpeg, provision
from local.services.postgres import Postgres
from local.template import reader

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    queues.client,
    objects.client,
    store.connection,
    notices._gateway,
    identity.jwt_secret,
    identity._jwks,
    amazon.client,
    bedrock.client,
)


@pytest.fixture(scope="session")
def described() -> Stack:
    """The template, which takes a second to read."""
    return reader.load(Path("template.yaml"), PARAMETERS, DEPLOYMENT)


@pytest.fixture(scope="session")
def aws_clients() -> clients.Clients:
    """moto answers them while it is on, wherever they were made."""
    return clients.connect(None)


@pytest.fixture
def stack(
    described: Stack, aws_clients: clients.Clients, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", DEPLOYMENT.region)
    for function in described.functions.values():
        for name, value in function.environment.items():
            monkeypatch.setenv(name, value)
    # moto stands in for the gateway too, under the name it has on AWS.
    monkeypatch.setenv("WEBSOCKET_ENDPOINT", "https://api.execute-api.us-east-1.amazonaws.com/live")
    forget()
    with mock_aws():
        provision.provision(described.resources.values(), aws_clients)
        yield described
    forget()


def forget() -> None:
    """Settings and clients are made once an environment; each test is a new one."""
    for cached in CACHED:
        cached.cache_clear()
    database.forget()


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
def database_secret(stack: Stack, aws_clients: clients.Clients, database_url: str) -> None:
    """Lets the functions of `stack` find the PostgreSQL."""
    aws_clients.secrets.create_secret(Name="database-url", SecretString=database_url)


@pytest.fixture(autouse=True)
def _real_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """FFMPEG_PATH's, else the one that the local stack would take."""
    monkeypatch.setenv("FFMPEG_PATH", os.environ.get("FFMPEG_PATH") or str(ffmpeg.find()))
