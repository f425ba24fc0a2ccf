"""Clients made before a fork: each environment has connections of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.patience import until_async
from tests.unit.local.runtime.runtime_support import do, function, running

if TYPE_CHECKING:
    from pathlib import Path

    from local.services.aws import Aws

BARRIER = """
import os, time
from pathlib import Path

def together(event):
    here = Path(event["here"])
    (here / str(os.getpid())).touch()
    while len(list(here.iterdir())) < event["count"]:
        time.sleep(0.002)
"""
BOTOCORE = f"""{BARRIER}
import boto3
CLIENT = boto3.client("s3")

def handler(event, context):
    CLIENT.list_buckets()
    together(event)
    CLIENT.list_buckets()
    return [os.getpid()]
"""
PSYCOPG2 = f"""{BARRIER}
from sqlalchemy import create_engine, text
ENGINE = create_engine(os.environ["URL"].replace("://", "+psycopg2://"), pool_size=1)

def handler(event, context):
    with ENGINE.connect() as connection:
        together(event)
        return list(connection.scalars(text("SELECT pg_backend_pid()")))
"""
CONNECTED = """
import os, psycopg2
CONNECTION = psycopg2.connect(os.environ["URL"])

def handler(event, context):
    with CONNECTION.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return list(cursor.fetchone())
"""
COUNT = 3


async def connections(root: Path, source: str, environment: dict[str, str]) -> list[Any]:
    """What environments that are busy at a time say of theirs."""
    here = root / "here"
    here.mkdir()
    async with running(function(root, source), environment=environment) as functions:
        calls = (do(functions, "", here=str(here), count=COUNT) for _ in range(COUNT))
        outcomes = await asyncio.gather(*calls)
        assert functions.snapshot_pid("Worker") is not None
    assert [outcome.error for outcome in outcomes] == [None] * COUNT
    return [one for outcome in outcomes for one in outcome.payload]


async def test_a_client_of_botocores(tmp_path: Path, aws: Aws) -> None:
    environment = {"AWS_ENDPOINT_URL": aws.url, "AWS_SECRET_ACCESS_KEY": "local"}
    found = await connections(tmp_path, BOTOCORE, environment)
    assert len(set(found)) == COUNT


async def test_an_engine_over_psycopg2(tmp_path: Path, database_url: str) -> None:
    found = await connections(tmp_path, PSYCOPG2, {"URL": database_url})
    assert len(set(found)) == COUNT


async def test_a_connection_that_is_open_already_is_not_forked(
    tmp_path: Path, database_url: str
) -> None:
    worker = function(tmp_path, CONNECTED)
    async with running(worker, environment={"URL": database_url}) as functions:
        assert (await do(functions, "")).error is None
        await until_async(lambda: functions.snapshot_pid("Worker") is None)
