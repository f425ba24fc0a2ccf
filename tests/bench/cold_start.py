"""What a cold start of each function takes, over what the libraries that it needs take."""

from __future__ import annotations

import compileall
import json
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from local.services.permissions import pairs
from local.stack.stack import TEMPLATE
from local.stack.stack import environment as credentials
from local.template import reader
from local.template.account import ACCOUNT, REGION
from tests.bench.bench import ROOT, Bench, Measurement
from tests.bench.results import Figure, at_most
from tests.bench.timing import interleaved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local.template.model import Function, Stack

_PROGRAM = Path(__file__).with_name("cold.py")
CLIENTS = {"execute-api": "apigatewaymanagementapi", "bedrock": "bedrock-runtime"}
"""boto3's names of services that IAM has another one for."""
_DATABASE = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:database"
_PARAMETERS = {"DatabaseUrlSecretArn": _DATABASE}
_QUICK = ["HealthFunction", "LiveEventsFunction"]


@dataclass(frozen=True)
class Needs:
    """What a function can't do without: clients of the services that its policy names, SQLAlchemy
    if it may know the database's address, and what its events come by.
    """

    kind: str
    services: tuple[str, ...]
    database: bool

    @classmethod
    def of(cls, function: Function, routed: set[str]) -> Needs:
        granted = [pair for statement in function.policy for pair in pairs(dict(statement))]
        services = {action.partition(":")[0] for action, _ in granted} - {"logs", "xray"}
        kind = "http" if function.name in routed else "event"
        return cls(
            kind="web server" if function.is_web_server else kind,
            services=tuple(sorted(CLIENTS.get(service, service) for service in services)),
            database=any(resource == _DATABASE for _, resource in granted),
        )


def _measure(bench: Bench) -> Iterator[Figure]:
    stack = reader.load(TEMPLATE, _PARAMETERS, reader.Deployment("http://a", "http://b"))
    code = ROOT if bench.quick else _compiled(bench.folder / "code")
    names = _QUICK if bench.quick else sorted(stack.functions)
    rounds = 1 if bench.quick else 3
    with bench.progress("every function and its floor, by turns", 2 * rounds * len(names)) as done:
        for name in names:
            needs = Needs.of(stack.functions[name], _routed(stack))
            taken = interleaved(
                {
                    what: partial(_started, what, stack.functions[name], needs, code)
                    for what in ("app", "floor")
                },
                rounds,
                done,
            )
            yield _figure(name, taken)


def _routed(stack: Stack) -> set[str]:
    return {function for api in stack.http_apis for function in api.routes.values()}


def _compiled(folder: Path) -> Path:
    """The layer and the functions with their bytecode, as `make build` ships them."""
    for name in ("layers/core", "functions"):
        shutil.copytree(ROOT / name, folder / name)
    compileall.compile_dir(folder, quiet=1)
    return folder


def _started(what: str, function: Function, needs: Needs, code: Path) -> float:
    folders = [code / "layers/core", code / function.code.relative_to(ROOT)]
    done = subprocess.run(
        [
            sys.executable,
            str(_PROGRAM),
            what,
            json.dumps(asdict(needs) | {"path": [str(folder) for folder in folders]}),
        ],
        env={**credentials("http://127.0.0.1:1"), **function.environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)


def _figure(name: str, taken: Mapping[str, float]) -> Figure:
    return Figure(
        f"cold start of {name.removesuffix('Function')} over its floor",
        taken["app"] / taken["floor"],
        target=at_most(1.3),
        seen={f"{what}, ms": 1000 * seconds for what, seconds in taken.items()},
    )


MEASUREMENT = Measurement(
    "cold",
    "cold start of every function over what its libraries take",
    300,
    "Import and init in a new process, bytecode at hand, by turns with the floor: boto3 with the "
    "clients of all services that the function's policy names, Logger, pydantic, which Powertools' "
    "event handler validates with, that handler for a route, Starlette and uvicorn for a stream, "
    "SQLAlchemy's engine where there is a database. Both make the clients. Medians of 3; Python's "
    "own start isn't in.",
    _measure,
)
