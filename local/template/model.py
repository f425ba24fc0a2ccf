"""What the template says, in the local stack's terms: plain values that all of `local` shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


WEB_ADAPTER = "/opt/bootstrap"
"""The Lambda Web Adapter's AWS_LAMBDA_EXEC_WRAPPER."""


@dataclass(frozen=True)
class Function:
    """One Lambda function. `timeout` is in seconds, `memory` in MB, `layers` are source folders,
    `policy` are IAM's statements about what it may do, `log_level` is the least that it logs.
    """

    name: str
    code: Path
    handler: str
    environment: Mapping[str, str]
    timeout: float
    memory: int
    layers: tuple[Path, ...] = ()
    policy: tuple[Mapping[str, Any], ...] = ()
    log_level: str = "INFO"

    @property
    def is_web_server(self) -> bool:
        """Whether its handler is a program that serves HTTP, to which the adapter passes events."""
        return self.environment.get("AWS_LAMBDA_EXEC_WRAPPER") == WEB_ADAPTER

    @property
    def is_streaming(self) -> bool:
        """Whether the adapter passes an answer on as it comes, as a streaming URL needs it."""
        mode = self.environment.get("AWS_LWA_INVOKE_MODE")
        return self.is_web_server and mode == "response_stream"


@dataclass(frozen=True)
class Cors:
    """What an HTTP API or a function URL says of CORS; preflights are answered from it."""

    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    max_age: int | None = None
    credentials: bool = False


@dataclass(frozen=True)
class HttpApi:
    """Routes by their key, `GET /a/{id}` or `$default`, to the name of their function."""

    name: str
    routes: Mapping[str, str]
    cors: Cors | None = None


@dataclass(frozen=True)
class WebSocketRoute:
    """A route's function; `responds` is true if the route has a RouteResponse."""

    function: str
    responds: bool


@dataclass(frozen=True)
class WebSocketApi:
    """Routes by their key; `selection` is the RouteSelectionExpression."""

    name: str
    stage: str
    selection: str
    routes: Mapping[str, WebSocketRoute]


@dataclass(frozen=True)
class FunctionUrl:
    """A function URL that streams a web server's responses; `name` is its logical id."""

    name: str
    function: str
    cors: Cors | None = None


@dataclass(frozen=True)
class QueueSource:
    """An SQS event source mapping. `queue` is the queue's logical id, `window` in seconds."""

    function: str
    queue: str
    batch_size: int = 10
    window: float = 0
    partial_failures: bool = False
    maximum_concurrency: int | None = None


@dataclass(frozen=True)
class Schedule:
    """A schedule that invokes a function every `period` seconds with `input` as its event."""

    name: str
    function: str
    period: float
    input: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Resource:
    """A resource that a service keeps (bucket, table, queue, secret), its properties resolved."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Stack:
    """The whole template, resolved: nothing in here is typed anywhere else."""

    functions: Mapping[str, Function]
    http_apis: tuple[HttpApi, ...] = ()
    websocket_apis: tuple[WebSocketApi, ...] = ()
    function_urls: tuple[FunctionUrl, ...] = ()
    queue_sources: tuple[QueueSource, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    resources: Mapping[str, Resource] = field(default_factory=dict)


ErrorKind = Literal["Unhandled", "Timeout", "Exit", "Init", "Throttled", "TooLarge"]


@dataclass(frozen=True)
class Invocation:
    """What one invocation came to: the handler's return value as parsed JSON, or an error."""

    payload: Any = None
    error: ErrorKind | None = None
    message: str = ""


class Invoker(Protocol):
    """Whoever can run a function: the gateways and event sources know no more than this."""

    async def invoke(self, function: str, event: Mapping[str, Any]) -> Invocation: ...
