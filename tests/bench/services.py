"""AWS's services and PostgreSQL on loopback, for functions that run outside a stack."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audioapi import migrations
from local.processes.supervisor import Supervisor
from local.services import clients, ffmpeg, provision
from local.services.aws import Aws
from local.services.postgres import Postgres
from local.stack.stack import DATABASE_SECRET, ROOT, TEMPLATE
from local.stack.stack import environment as credentials
from local.template import reader
from local.template.account import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from local.template.model import Stack

_PARAMETERS = {
    "AllowAnonymousStreaming": "true",
    "DatabaseUrlSecretArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{DATABASE_SECRET}",
    "Transcriber": "none",
}
NOWHERE = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Services:
    """Where they are, for a process that may run any function."""

    environment: Mapping[str, str]
    database_url: str

    def connect(self) -> clients.Clients:
        return clients.connect(self.environment["AWS_ENDPOINT_URL"])


@contextmanager
def running(folder: Path) -> Iterator[Services]:
    """As the template describes them, with a database that functions find."""
    folder.mkdir()
    with _provisioned(folder) as environment, _postgres(folder / "postgres") as url:
        services = Services(environment, url)
        services.connect().secrets.create_secret(Name=DATABASE_SECRET, SecretString=url)
        yield services


def environment(aws_url: str) -> dict[str, str]:
    """That of a process that may run any function, with AWS's services at `aws_url`."""
    # A web server's would have the processes taken for web servers.
    lambdas = [it for it in template(aws_url).functions.values() if not it.is_web_server]
    return {
        **{name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ},
        **credentials(aws_url),
        **{k: v for f in lambdas for k, v in f.environment.items()},
        "FFMPEG_PATH": str(ffmpeg.find()),
        # Standard output is for results.
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "POWERTOOLS_METRICS_DISABLED": "true",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "layers" / "core"), str(ROOT)]),
    }


def template(aws_url: str) -> Stack:
    """As `local` reads it, with AWS's services at that address and nothing else anywhere."""
    return reader.load(TEMPLATE, _PARAMETERS, reader.Deployment(NOWHERE, aws_url))


@contextmanager
def _provisioned(folder: Path) -> Iterator[dict[str, str]]:
    with Supervisor(folder / "services.json") as supervisor:
        aws = Aws(folder / "aws.log", supervisor)
        aws.start()
        try:
            stack = template(aws.url)
            provision.provision(stack.resources.values(), clients.connect(aws.url))
            yield environment(aws.url)
        finally:
            aws.stop()


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
