"""The whole stack: the template's functions, gateways, queues and stores, up for an async block."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from local.event_sources.queues import QueuePoller
from local.event_sources.schedules import run_schedule
from local.gateways.function_url import FunctionUrlGateway
from local.gateways.multiplexer import Gateway
from local.processes.supervisor import Supervisor
from local.processes.waiting import in_background
from local.runtime.environment import common
from local.runtime.functions import Functions
from local.runtime.logs import Logs
from local.services import ffmpeg
from local.services.aws import Aws
from local.services.clients import CREDENTIALS, connect
from local.services.postgres import Postgres
from local.services.provision import provision
from local.stack.state import Address, State
from local.template import references
from local.template.account import REGION
from local.template.reader import Deployment, Translation

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping
    from typing import NoReturn, Self, TextIO

    from local.runtime.web_adapter import Exchange
    from local.services.clients import Clients
    from local.template.model import Invocation, Stack

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "template.yaml"
PARAMETERS = ROOT / "local" / "parameters.yaml"
PRELOADED = ("aws_lambda_powertools.metrics", "boto3.session", "pydantic.main")
"""What each function imports, and takes most of its start."""
API_KEY = "dev-key"
KEYS_TABLE = "API_KEYS_TABLE"
DATABASE_SECRET = "database-url"  # noqa: S105 - its name; parameters.yaml has its ARN


class PortTakenError(RuntimeError):
    """Another program listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} is taken")
        self.port = port


class SeedError(RuntimeError):
    """The first rows could not be written; the message is what the process that tried said."""


@dataclass(frozen=True)
class Options:
    """How a stack runs. Functions' log lines go to files below `state`, and to `console`; each
    function has `variables` in its environment, beside those that Lambda and the template set.
    """

    state: Path
    port: int = 8000
    strict: bool = False
    watch: bool = True
    snapshots: bool = True
    parameters: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    console: TextIO | None = None


class LocalStack:
    """`async with LocalStack(options) as stack`: everything is up, and `stack.address` says where.

    Raises PortTakenError, StateTakenError, TemplateError, or what keeps a service from starting.
    """

    address: Address

    def __init__(self, options: Options) -> None:
        self._options = options
        self._state = State(options.state.resolve())
        self._up = AsyncExitStack()
        self._functions: asyncio.Future[Functions] = asyncio.Future()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as up:
            await self._start(up)
            self._up = up.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._up.aclose()

    async def invoke(self, function: str, event: Mapping[str, Any]) -> Invocation:
        """A request that comes before the functions are there waits for them."""
        functions = await asyncio.shield(self._functions)
        return await functions.invoke(function, event)

    async def serve(self, function: str, exchange: Exchange) -> Invocation:
        functions = await asyncio.shield(self._functions)
        return await functions.serve(function, exchange)

    async def _start(self, up: AsyncExitStack) -> None:
        up.enter_context(self._state.taken())
        tools = await asyncio.to_thread(ffmpeg.link, self._state.folder / "bin")
        door = await up.enter_async_context(AsyncExitStack())
        translation = self._translation()
        gateway, urls = await self._open(door, translation)
        supervisor = up.enter_context(Supervisor(self._state.record))
        aws, postgres = await self._start_services(up, supervisor)
        stack = translation.stack(Deployment(gateway.url, aws.url, urls))
        clients = connect(aws.url)
        await asyncio.to_thread(provision, stack.resources.values(), clients)
        clients.secrets.create_secret(Name=DATABASE_SECRET, SecretString=postgres.url)
        await asyncio.to_thread(seed, stack, environment(aws.url))
        aws.hold({name: function.policy for name, function in stack.functions.items()})
        search = os.pathsep.join([str(tools), os.environ.get("PATH", os.defpath)])
        given = {**self._options.variables, **environment(aws.url), "PATH": search}
        await self._start_functions(up, stack, supervisor, given)
        # Before the functions end, connections do, whose $disconnect is theirs.
        up.push_async_callback(door.aclose)
        await up.enter_async_context(in_background(*self._event_sources(stack, clients)))
        self.address = Address(
            url=gateway.url,
            ws_url=gateway.ws_url,
            function_urls={url.function: urls[url.name] for url in stack.function_urls},
            aws_endpoint_url=aws.url,
            database_url=postgres.url,
            bucket=names(stack, references.BUCKET)[0],
            api_key=API_KEY,
            pid=os.getpid(),
        )
        up.enter_context(self._state.announced(self.address))

    async def _open(
        self, door: AsyncExitStack, translation: Translation
    ) -> tuple[Gateway, dict[str, str]]:
        """Takes the ports first and for good, for their numbers are in the functions' environment.

        What it serves is in the template whatever the addresses, which nobody knows yet.
        """
        options = self._options
        stack = translation.stack(Deployment("http://localhost", "http://localhost"))
        gateway = Gateway(stack, self, port=options.port, strict=options.strict)
        try:
            await door.enter_async_context(gateway)
        except OSError as error:
            raise PortTakenError(options.port) from error
        urls = {}
        for declared in stack.function_urls:
            opened = FunctionUrlGateway(declared, self, strict=options.strict)
            urls[declared.name] = (await door.enter_async_context(opened)).url
        return gateway, urls

    async def _start_services(
        self, up: AsyncExitStack, supervisor: Supervisor
    ) -> tuple[Aws, Postgres]:
        aws = Aws(self._state.logs / "aws.log", supervisor)
        postgres = Postgres(
            self._state.folder / "postgres", self._state.logs / "postgres.log", supervisor
        )
        up.callback(aws.stop)
        up.callback(postgres.stop)
        starts = (asyncio.to_thread(service.start) for service in (aws, postgres))
        # Threads can't be cancelled: the failure of one waits for the other.
        for outcome in await asyncio.gather(*starts, return_exceptions=True):
            if outcome is not None:
                raise outcome
        return aws, postgres

    def _translation(self) -> Translation:
        defaults = yaml.safe_load(PARAMETERS.read_text(encoding="utf-8"))
        given = {name: str(value) for name, value in defaults.items()}
        return Translation(TEMPLATE, given | dict(self._options.parameters))

    async def _start_functions(
        self, up: AsyncExitStack, stack: Stack, supervisor: Supervisor, given: Mapping[str, str]
    ) -> None:
        functions = Functions(
            stack.functions,
            environment=given,
            logs=up.enter_context(Logs(self._state.folder, self._options.console)),
            region=REGION,
            watch=self._options.watch,
            snapshots=self._options.snapshots,
            preload=PRELOADED,
            on_spawn=supervisor.watch,
        )
        self._functions.set_result(await up.enter_async_context(functions))

    def _event_sources(
        self, stack: Stack, clients: Clients
    ) -> Iterator[Coroutine[Any, Any, NoReturn]]:
        for source in stack.queue_sources:
            name = stack.resources[source.queue].properties["QueueName"]
            yield QueuePoller(source, name, clients.sqs, self).run()
        for schedule in stack.schedules:
            yield run_schedule(schedule, self)


def environment(aws_url: str) -> dict[str, str]:
    """What AWS's execution environment has and the template doesn't tell."""
    return {**CREDENTIALS, "AWS_ENDPOINT_URL": aws_url}


def names(stack: Stack, kind: str) -> list[str]:
    name = references.NAME_PROPERTIES[kind]
    return [item.properties[name] for item in stack.resources.values() if item.type == kind]


def seed(stack: Stack, given: Mapping[str, str]) -> None:
    """Runs `local.stack.seed` as a function that knows API keys would run, by its environment."""
    function = next(item for item in stack.functions.values() if KEYS_TABLE in item.environment)
    done = subprocess.run(
        [sys.executable, "-m", "local.stack.seed", API_KEY],
        cwd=ROOT,
        env={
            **common(given),
            **function.environment,
            "PYTHONPATH": os.pathsep.join(map(str, function.layers)),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SeedError(f"The database can't be made ready: {done.stdout.strip()}")
