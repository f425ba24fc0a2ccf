"""Functions that are web servers, whose event loop waits by the simulation's clock, and those who
listen to what they stream.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from audioapi.analysis.events import sse
from tests.integration.audioapi.faults import DeadError
from tests.integration.audioapi.functions import app
from tests.integration.simulation.scheduler import Inbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest
    from starlette.types import Message, Scope

    from tests.integration.simulation.scheduler import Process, Scheduler
    from tests.integration.simulation.simulation import World

_COARSE_SECONDS = 0.001
"""Of the clock, which counts from 1970, a float holds no less than a microsecond."""


class Loop(asyncio.BaseEventLoop):
    """Waits as its process does. What others do in a thread is done at once."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._process = scheduler.current
        self._selector = self
        self._clock_resolution = _COARSE_SECONDS
        self.set_exception_handler(lambda *_: None)  # it is for who watches the process

    def time(self) -> float:
        return self._scheduler.now

    def select(self, timeout: float | None) -> list[Any]:
        """In the selector's place. A process that is dead has nothing to wait for any more."""
        assert timeout is not None, "nothing is left to wait for"
        if timeout > 0 and not (self._process and self._process.dead):
            self._scheduler.sleep(timeout)
        return []

    def run_in_executor(  # type: ignore[override]
        self, _: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
            done.set_exception(error)
        return done

    def _process_events(self, events: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


async def at_once(func: Callable[..., Any], *args: Any, **_: Any) -> Any:
    """In place of anyio's threads."""
    return func(*args)


def patch_threads(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(anyio.to_thread, "run_sync", at_once)
    patch.setattr(sse, "run_sync", at_once)


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]


@dataclass(eq=False)
class Response:
    """What comes of one, piece by piece; None at its end, however that came."""

    pieces: Inbox[bytes | None]
    status: int = 0


class Server:
    """Passes requests on as the Lambda Web Adapter does, each to a function of its own. Nobody
    tells it that its caller went away.
    """

    def __init__(self, world: World, folder: str) -> None:
        self._world = world
        self._folder = folder

    def ask(self, name: str, request: Request) -> Response:
        scheduler = self._world.scheduler
        response = Response(Inbox(scheduler))

        def serve(seconds: float) -> None:
            stopped_at = round(1000 * (scheduler.now + seconds))
            scope = _scope(name, request, stopped_at=stopped_at)
            _run(scheduler, app(self._folder).app, scope, response)

        self._world.functions.run(
            self._folder, name, serve, then=lambda _: response.pieces.put(None)
        )
        return response


def _scope(name: str, request: Request, *, stopped_at: int) -> Scope:
    """`stopped_at` is in epoch milliseconds."""
    headers = request.headers | {
        "x-amzn-lambda-context": json.dumps({"deadline": stopped_at}),
        "x-amzn-request-context": json.dumps({"requestId": name}),
    }
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": request.path,
        "raw_path": request.path.encode(),
        "query_string": b"",
        "headers": [(key.encode(), value.encode()) for key, value in headers.items()],
    }


def _run(scheduler: Scheduler, served: Any, scope: Scope, response: Response) -> None:
    asked = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if asked:
            return asked.pop()
        return await asyncio.Event().wait()  # type: ignore[return-value] # it never comes

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            response.status = message["status"]
        else:
            response.pieces.put(message["body"])

    process = scheduler.current
    with _dying(process), asyncio.Runner(loop_factory=lambda: Loop(scheduler)) as runner:
        runner.run(served(scope, receive, send))


@contextmanager
def _dying(process: Process | None) -> Iterator[None]:
    """A process that was killed dies by nothing else, whatever its tasks made of it."""
    try:
        yield
    except BaseException as error:
        if process and process.dead and not isinstance(error, DeadError):
            raise DeadError(process.name) from None
        raise


@dataclass(frozen=True)
class Heard:
    """An event; `id` is what its consumer resumes by, None if it had none."""

    id: str | None
    type: str
    data: Any


@dataclass
class Reader:
    """Takes a stream apart as browsers do. `last_event_id` is what one would resume by."""

    last_event_id: str = ""
    rest: bytes = b""

    def feed(self, piece: bytes) -> list[Heard]:
        """The events that are whole with it."""
        *blocks, self.rest = (self.rest + piece).split(b"\n\n")
        return [event for block in blocks for event in self._event(block.decode())]

    def _event(self, block: str) -> Iterator[Heard]:
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        self.last_event_id = fields.get("id", self.last_event_id)
        if "data" in fields:
            yield Heard(fields.get("id"), fields["event"], json.loads(fields["data"]))


def clock_of(scheduler: Scheduler) -> SimpleNamespace:
    """In place of the module `time`, as far as it tells the time of day."""
    return SimpleNamespace(time=lambda: scheduler.now)
