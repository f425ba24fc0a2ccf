"""Every route asks who calls, and what for, before it reads anything of what was sent, and its
answers are for nobody else: docs/security.md has the table that is walked here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from audioapi import identity
from audioapi.identity import Principal
from local.template import reader
from tests.integration.audioapi.functions import app
from tests.unit.audioapi.context import Context

if TYPE_CHECKING:
    from local.template.model import Stack

_ROW = re.compile(r"^\| `([A-Z]+ /[^`]*)` \| (\w+)(.*) \|$", re.MULTILINE)
TABLE = {
    route: (scope, bool(more)) for route, scope, more in _ROW.findall(
        Path("docs/security.md").read_text()
    )
}  # fmt: skip
HOSTILE = {
    "no JSON": "{",
    "a number of 4,301 digits": f'{{"a": {"9" * 4301}}}',
    "arrays without end": "[" * 100_000,
    "no number": '{"goal": NaN}',
    "nothing": "",
}


def template_routes() -> dict[str, str]:
    """The folder of each route's function."""
    resources = reader.read(Path("template.yaml"))["Resources"].values()
    return {
        f"{event['Properties']['Method'].upper()} {event['Properties']['Path']}": Path(
            function["Properties"]["CodeUri"]
        ).name
        for function in resources
        if function["Type"] == "AWS::Serverless::Function"
        for event in (function["Properties"].get("Events") or {}).values()
        if event["Type"] == "HttpApi" and "Path" in event["Properties"]
    }


ROUTES = template_routes()
KEYED = sorted(route for route, (scope, _) in TABLE.items() if scope != "everybody")


@pytest.fixture(autouse=True)
def _keys(stack: Stack, database_secret: None) -> None:
    for scope in ("read", "write"):
        identity.put_api_key(scope, Principal("alice", "acme", (scope,)))


def answer(route: str, key: str | None, body: str) -> tuple[int, dict[str, Any]]:
    """With a path whose variables are nonsense."""
    method, path = route.split(" ")
    event = json.loads(Path("events/webhook_create.json").read_text())
    event["rawPath"] = event["requestContext"]["http"]["path"] = re.sub(r"{\w+}", "x", path)
    event["requestContext"]["http"]["method"] = method
    event["headers"] = {"content-type": "application/json"} | ({"x-api-key": key} if key else {})
    event["queryStringParameters"] = {"limit": "many"}
    event["pathParameters"] = dict.fromkeys(re.findall(r"{(\w+)}", path), "x")
    event["body"] = body
    response = app(ROUTES[route]).lambda_handler(event, Context())
    assert response["headers"]["Cache-Control"] in ("no-store", "private, no-cache")
    text = response.get("body") or "{}"
    problem = "json" in response["headers"].get("Content-Type", "")
    return response["statusCode"], json.loads(text) if problem else {}


def test_the_table_has_every_route() -> None:
    assert TABLE.keys() == ROUTES.keys()


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("route", KEYED)
def test_a_key_with_the_scope_comes_first(route: str, body: str) -> None:
    scope, nobody_too = TABLE[route]
    other = "read" if scope == "write" else "write"
    status, problem = answer(route, "unknown", body)
    assert (status, problem["code"]) == (401, "INVALID_KEY")
    status, problem = answer(route, other, body)
    assert (status, problem["code"]) == (403, "FORBIDDEN")
    status, _ = answer(route, None, body)
    assert (status == 401) is not nobody_too
    status, problem = answer(route, scope, body)
    assert status not in (401, 500)
    assert "lacks the scope" not in problem.get("detail", "")
