"""A function's policy grants nothing that its code can't ask for.

That it grants all that is asked for, the local stack shows: there each call is held to the policy.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.services.permissions import pairs
from local.template import reader
from tests.call_graph import asked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.template.model import Function, Stack

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret"
EVERYTHING_ON = {
    "DatabaseUrlSecretArn": f"{SECRET}:database-url",
    "JwtSecretArn": f"{SECRET}:jwt",
    "Summariser": "bedrock",
    "Transcriber": "transcribe",
}
NAMED_BY_NO_SETTING = {"bedrock", "execute-api", "transcribe"}
FUNCTIONS = [
    name
    for name, resource in reader.read(Path("template.yaml"))["Resources"].items()
    if resource["Type"] == "AWS::Serverless::Function"
]


@pytest.fixture(scope="module")
def all_on() -> Stack:
    """The template with all that may be turned on, and so each policy at its widest."""
    nowhere = reader.Deployment("http://localhost", "http://localhost")
    return reader.load(Path("template.yaml"), EVERYTHING_ON, nowhere)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_policy_grants_nothing_that_the_code_cannot_ask_for(all_on: Stack, name: str) -> None:
    function = all_on.functions[name]
    assert list(unused(function)) == []


def unused(function: Function) -> Iterator[tuple[str, str]]:
    can_ask = asked(function.code / "app.py")
    for statement in function.policy:
        for action, resource in pairs(dict(statement)):
            if action.partition(":")[0] in NAMED_BY_NO_SETTING:
                needed = any(action in actions for actions in can_ask.values())
            else:
                settings = named_by(function, resource)
                needed = any(action in can_ask.get(setting, ()) for setting in settings)
            if not needed:
                yield action, resource


def named_by(function: Function, resource: str) -> set[str]:
    """The settings that a function finds a table, a queue, a bucket or a secret by."""
    name = resource.rpartition(":")[2].removeprefix("table/").partition("/")[0]
    return {
        variable.lower()
        for variable, value in function.environment.items()
        if value in (name, resource) or value.endswith(f"/{name}")  # a queue's is an address
    }
