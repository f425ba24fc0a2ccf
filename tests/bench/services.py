"""S3, DynamoDB and SQS as the template describes them, for functions that run outside a stack."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from audioapi import migrations
from local.processes.supervisor import Supervisor
from local.services import clients, ffmpeg, provision
from local.services.aws import Aws
from local.services.postgres import Postgres
from local.stack.stack import DATABASE_SECRET, TEMPLATE
from local.stack.stack import environment as credentials
from local.template import reader
from local.template.account import ACCOUNT, REGION
from tests.bench.bench import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PARAMETERS = {
    "AllowAnonymousStreaming": "true",
    "DatabaseUrlSecretArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{DATABASE_SECRET}",
    "Transcriber": "none",
}


@contextmanager
def provisioned(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a process that may run any function, while the services are up."""
    folder.mkdir()
    with Supervisor(folder / "services.json") as supervisor:
        aws = Aws(folder / "aws.log", supervisor)
        aws.start()
        try:
            deployment = reader.Deployment("http://127.0.0.1:1", aws.url)  # nobody is connected
            stack = reader.load(TEMPLATE, _PARAMETERS, deployment)
            provision.provision(stack.resources.values(), clients.connect(aws.url))
            # A web server's would have the processes taken for web servers.
            lambdas = [it for it in stack.functions.values() if not it.is_web_server]
            yield {
                **{name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ},
                **credentials(aws.url),
                **{k: v for f in lambdas for k, v in f.environment.items()},
                "FFMPEG_PATH": str(ffmpeg.find()),
                # Standard output is for results.
                "POWERTOOLS_LOG_LEVEL": "CRITICAL",
                "POWERTOOLS_METRICS_DISABLED": "true",
                "PYTHONPATH": os.pathsep.join([str(ROOT / "layers" / "core"), str(ROOT)]),
            }
        finally:
            aws.stop()


@contextmanager
def with_database(folder: Path) -> Iterator[tuple[dict[str, str], str]]:
    """The same with a PostgreSQL that functions find, and its URL."""
    with provisioned(folder) as environment, _postgres(folder / "postgres") as url:
        secrets = clients.connect(environment["AWS_ENDPOINT_URL"]).secrets
        secrets.create_secret(Name=DATABASE_SECRET, SecretString=url)
        yield environment, url


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    folder.mkdir()
    with Supervisor(folder / "postgres.json") as supervisor:
        server = Postgres(folder, folder / "postgres.log", supervisor)
        server.start()
        try:
            migrations.upgrade(server.url)
            yield server.url
        finally:
            server.stop()
