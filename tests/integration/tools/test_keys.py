"""Keys are made, shown and revoked from a shell: for the running stack, and for a deployment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import psycopg2
import pytest

from audioapi import settings, tables
from local.services.clients import CREDENTIALS
from tests.integration.local.programs import ROOT
from tests.integration.local.stack.test_stack import Runner, running
from tools.keys import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.services.aws import Aws
    from local.services.clients import Clients

ACME = "0ac3e000-0000-4000-8000-000000000001"
USER = ("create", "--user", "ann")
AS_ANN = (*USER, "--organization", ACME)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with running(tmp_path_factory.mktemp("state")) as runner:
        yield runner


@dataclass(frozen=True)
class Done:
    status: object
    stdout: str
    stderr: str


def keys(*arguments: str, **environment: str) -> Done:
    """The command as from a shell, but for the second and more that a Python takes to start."""
    out, err = StringIO(), StringIO()
    with (
        mock.patch.dict(os.environ, environment),  # and what the command changes there
        mock.patch.object(sys, "path", sys.path[:]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        settings.identity.cache_clear()
        tables.client.cache_clear()
        try:
            status: object = main(arguments)
        except SystemExit as ended:
            status = ended.code
        settings.identity.cache_clear()
        tables.client.cache_clear()
    return Done(status, out.getvalue(), err.getvalue())


def here(stack: Runner, *arguments: str) -> str:
    """What a command prints that succeeds on the local stack."""
    done = keys(*arguments, "--state", str(stack.record.parent))
    assert done.status == 0, done.stderr
    return done.stdout.strip()


def refused(*arguments: str, **environment: str) -> str:
    done = keys(*arguments, **environment)
    assert done.status in (1, 2)
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


def status(stack: Runner, key: str) -> int:
    url = f"{stack.address['url']}/api/audio/sessions"
    try:
        with urlopen(Request(url, headers={"x-api-key": key})) as answer:  # noqa: S310 - loopback
            return int(answer.status)
    except HTTPError as error:
        return error.code


def listed(shown: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line) for line in shown.splitlines()[1:]]


def test_a_key_is_good_until_it_is_revoked(stack: Runner) -> None:
    made = keys(*AS_ANN, "--name", "for tests", "--state", str(stack.record.parent))
    key = made.stdout.strip()
    assert re.fullmatch(r"[\w-]{43}", key), "nothing but the key, so that a script can take it"
    assert "Keep it" in made.stderr
    assert status(stack, key) == 200

    shown = here(stack, "list")
    assert key not in shown
    [digest] = [cells[0] for cells in listed(shown) if cells[-1] == "for tests"]
    assert "ann" in here(stack, "revoke", digest[:8])
    assert status(stack, key) == 401
    assert digest not in here(stack, "list")


def test_an_organization_is_found_by_its_slug_or_made(stack: Runner) -> None:
    here(stack, *USER, "--organization", "acme-corp", "--name", "by slug")
    here(
        stack,
        *(*USER, "--organization", "globex", "--create-organization", "Globex Ltd"),
        *("--name", "of a new one", "--scopes", "read", "--expires", "30"),
    )
    with (
        psycopg2.connect(stack.address["database_url"]) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT id::text, name FROM organizations WHERE slug = 'globex'")
        [(globex, name)] = cursor.fetchall()
    connection.close()
    assert name == "Globex Ltd"
    by_name = {cells[-1]: cells for cells in listed(here(stack, "list"))}
    _, user, organization, scopes, created, expires, _ = by_name["of a new one"]
    assert (user, organization, scopes) == ("ann", globex, "read")
    lives = datetime.fromisoformat(expires) - datetime.fromisoformat(created)
    assert lives == timedelta(days=30)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(created)) < timedelta(minutes=1)
    assert by_name["by slug"][2:4] == [ACME, "read,write"]
    assert by_name["by slug"][5] == "never"


def test_what_cannot_be_is_said_in_a_line(stack: Runner) -> None:
    state = ("--state", str(stack.record.parent))
    assert "no organization initech: make it with" in refused(
        *USER, "--organization", "initech", *state
    )
    assert "an organization acme-corp already" in refused(
        *USER, "--organization", "acme-corp", "--create-organization", "Acme", *state
    )
    assert "is no slug" in refused(
        *USER, "--organization", "Not a slug", "--create-organization", "X", *state
    )
    assert "No keys' digests begin with abcdef" in refused("revoke", "abcdef012345", *state)
    for wrong in (("--scopes", "admin"), ("--expires", "-1"), ("--expires", "soon")):
        assert f"argument {wrong[0]}: {wrong[1]!r} is not" in refused(*AS_ANN, *wrong, *state)
    assert "is not the beginning of a digest" in refused("revoke", "x", *state)


def test_without_a_stack_it_says_how_to_get_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.keys", "list", "--state", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"No stack runs in {tmp_path}: start one with `make run`,"
        " or name a deployment's table with --table\n"
    )


@pytest.fixture
def deployed(aws: Aws, clients: Clients, name: str) -> dict[str, str]:
    """A deployment's table, of that name, and the shell's own AWS settings that lead to it."""
    clients.dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "digest", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "digest", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return {**CREDENTIALS, "AWS_ENDPOINT_URL": aws.url}


def test_a_deployments_keys_are_in_its_table(deployed: dict[str, str], name: str) -> None:
    table = ("--table", name)
    for _ in range(2):
        assert keys(*AS_ANN, *table, **deployed).status == 0
    rows = listed(keys("list", *table, **deployed).stdout)
    assert [cells[1:4] for cells in rows] == [["ann", ACME, "read,write"]] * 2
    for cells in rows:
        assert keys("revoke", cells[0], *table, **deployed).status == 0
    assert listed(keys("list", *table, **deployed).stdout) == []


def test_an_ambiguous_digest_revokes_nothing(
    deployed: dict[str, str], clients: Clients, name: str
) -> None:
    for digest in ("abcd1", "abcd2"):
        values = {"digest": digest, "user_id": "ann", "organization_id": ACME}
        item: dict[str, Any] = {key: {"S": value} for key, value in values.items()}
        clients.dynamodb.put_item(TableName=name, Item=item | {"scopes": {"L": []}})
    told = refused("revoke", "abcd", "--table", name, **deployed)
    assert told == "2 keys' digests begin with abcd: give more of it"
    assert len(listed(keys("list", "--table", name, **deployed).stdout)) == 2


def test_a_deployments_organization_is_an_id_or_in_its_database(
    deployed: dict[str, str], database_url: str, name: str
) -> None:
    table = ("--table", name)
    told = refused(*USER, "--organization", "acme", *table, **deployed)
    assert told == "Without --database-url, --organization must be an organization's id"
    slug = f"slug-{uuid4().hex}"
    made = keys(
        *(*USER, "--organization", slug, "--create-organization", "New"),
        *("--database-url", database_url, *table),
        **deployed,
    )
    assert made.status == 0, made.stderr
    known = ("--database-url", database_url)
    assert keys(*USER, "--organization", slug, *known, *table, **deployed).status == 0
    nowhere = ("--database-url", "postgresql://localhost:1/none")
    assert "refused" in refused(*USER, "--organization", slug, *nowhere, *table, **deployed)
    nonsense = ("--database-url", "nonsense")
    told = refused(*USER, "--organization", slug, *nonsense, *table, **deployed)
    assert told == "--database-url is no PostgreSQL URL"


def test_a_table_that_is_not_there_is_said(deployed: dict[str, str]) -> None:
    assert "ResourceNotFoundException" in refused("list", "--table", "nowhere", **deployed)
