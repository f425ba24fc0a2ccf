"""The event that each request becomes here and with `sam local`, each got by an echo."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from local.gateways.multiplexer import Gateway
from local.stack.stack import TEMPLATE
from local.template.model import Invocation
from local.template.reader import Deployment, load, read
from tests.sam_local.cases import CASES, Case, send
from tests.sam_local.echo.app import lambda_handler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.template.model import Stack

ECHO = Path(__file__).parent / "echo"
# The template's own database needs no more than this said of it to be left out.
PARAMETERS = {"DatabaseUrlSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:any"}


@dataclass(frozen=True)
class Got:
    """What came of a request: a function and its event, or the gateway's own answer."""

    status: int
    function: str = ""
    event: Mapping[str, Any] | None = None


class Echo:
    """In the place of all of `local`'s functions."""

    async def invoke(self, function: str, event: Mapping[str, Any]) -> Invocation:
        return Invocation(lambda_handler(dict(event), SimpleNamespace(function_name=function)))


async def of_local() -> dict[str, Got]:
    """What each case's request becomes in `local`, by the case's name."""
    async with Gateway(template(), Echo(), port=0) as gateway:
        return await asyncio.to_thread(ask, gateway.url)


def ask(url: str) -> dict[str, Got]:
    return {case.name: _got(case, url) for case in CASES}


def _got(case: Case, url: str) -> Got:
    answer = send(case, url)
    try:
        told = json.loads(answer.headers.get("x-told") or answer.body)
        return Got(answer.status, told["function"], told["event"])
    except (ValueError, KeyError):
        return Got(answer.status)


@cache
def template() -> Stack:
    return load(TEMPLATE, PARAMETERS, Deployment("http://localhost", "http://localhost"))


def function_of(case: Case) -> str:
    """Whose route the request takes, by the template."""
    (api,) = template().http_apis
    return api.routes[case.route]


def write_template(folder: Path) -> Path:
    """Our template with its routes and the echo for every function that has one."""
    source = read(TEMPLATE)
    resources = {}
    for name, resource in source["Resources"].items():
        if resource["Type"] == "AWS::Serverless::HttpApi":
            cors = {"CorsConfiguration": resource["Properties"]["CorsConfiguration"]}
            resources[name] = {"Type": resource["Type"], "Properties": cors}
        elif routes := _http_events(resource):
            resources[name] = _echo(routes)
    kept = {name: source[name] for name in ("Transform", "Parameters")}
    path = folder / "template.json"
    path.write_text(json.dumps({**kept, "Resources": resources}))
    return path


def _http_events(resource: Mapping[str, Any]) -> dict[str, Any]:
    events = resource.get("Properties", {}).get("Events", {})
    return {name: event for name, event in events.items() if event["Type"] == "HttpApi"}


def _echo(routes: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        "CodeUri": str(ECHO),
        "Handler": "app.lambda_handler",
        "Runtime": "python3.13",
        "Events": routes,
    }
    return {"Type": "AWS::Serverless::Function", "Properties": properties}
