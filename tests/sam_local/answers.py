"""What the real functions answer, in containers and in `local`, with the same stores.

The stores are `local`'s own. They listen on loopback, which containers don't reach: so their ports
are passed on from the machine's address on Docker's bridge.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from local.services.clients import connect
from local.stack.stack import PARAMETERS, TEMPLATE
from local.template.reader import Deployment, load, read
from tests.sam_local.cases import CASES, send

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from local.stack.state import Address
    from tests.sam_local.cases import Answer

ENDPOINT = "AWS_ENDPOINT_URL"
SECRET = "database-url-for-containers"
SECRET_ARN = f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{SECRET}"


@dataclass(frozen=True)
class Seen:
    """What clients see of an answer: numbers, ids and texts may be others, their kinds may not."""

    status: int
    content_type: str
    shape: object

    def __str__(self) -> str:
        return f"{self.status} {self.content_type.removeprefix('application/')}"


def ask(url: str) -> dict[str, Seen]:
    return {case.name: _seen(send(case, url)) for case in CASES}


def _seen(answer: Answer) -> Seen:
    content_type = answer.headers.get("content-type", "").partition(";")[0]
    is_json = content_type.endswith("json") and answer.body
    what = shape(json.loads(answer.body)) if is_json else len(answer.body)
    return Seen(answer.status, content_type, what)


def shape(value: object) -> object:
    """The keys and the kinds of what is in a JSON value."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in sorted(value.items())}
    if isinstance(value, list):
        return sorted({json.dumps(shape(item)) for item in value})
    return "number" if type(value) in (int, float) else type(value).__name__


@asynccontextmanager
async def reachable(address: Address, bridge: str) -> AsyncIterator[None]:
    """Lets containers reach the stores of the stack at `address`."""
    async with AsyncExitStack() as up:
        for url in (address.aws_endpoint_url, address.database_url):
            port = urlsplit(url).port
            server = await asyncio.start_server(_passing_on_to(port), bridge, port)
            await up.enter_async_context(server)
        yield


def _passing_on_to(port: int | None) -> Any:
    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))

    return pass_on


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # a container that was ended
    finally:
        writer.close()


def write_template(built: Path) -> Path:
    """The built template, with a variable that SAM passes on only if the template has it."""
    source = read(built)
    source["Globals"]["Function"]["Environment"]["Variables"][ENDPOINT] = ""
    path = built.with_name("sam-local.json")  # next to it, for its folders are relative
    path.write_text(json.dumps(source))
    return path


def write_variables(folder: Path, address: Address, bridge: str) -> Path:
    """Each function's environment as `local` has it, but for the addresses of the stores."""
    secrets = connect(address.aws_endpoint_url).secrets
    secrets.create_secret(Name=SECRET, SecretString=_seen_from(bridge, address.database_url))
    endpoint = _seen_from(bridge, address.aws_endpoint_url)
    urls = {f"{name}Url": url for name, url in address.function_urls.items()}
    parameters = yaml.safe_load(PARAMETERS.read_text()) | {"DatabaseUrlSecretArn": SECRET_ARN}
    given: Mapping[str, str] = {name: str(value) for name, value in parameters.items()}
    stack = load(TEMPLATE, given, Deployment(address.url, endpoint, urls))
    variables = {
        name: {**function.environment, ENDPOINT: endpoint}
        for name, function in stack.functions.items()
    }
    path = folder / "variables.json"
    path.write_text(json.dumps(variables))
    return path


def _seen_from(bridge: str, url: str) -> str:
    return url.replace("127.0.0.1", bridge)
