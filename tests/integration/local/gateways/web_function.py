"""A web server as a function, which does what its path says, and the URL that it is behind."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from local.gateways.function_url import FunctionUrlGateway
from local.template.model import Cors, Function, FunctionUrl
from tests.unit.local.runtime.runtime_support import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from local.runtime.functions import Functions

SERVER = """
import asyncio, os
from pathlib import Path
from aiohttp import web

NOTES = Path(os.environ["NOTES"])

async def ready(request):
    return web.Response(status=404)

async def echo(request):
    body = await request.read()
    headers = [[name, value] for name, value in request.headers.items()]
    return web.json_response(
        {"method": request.method, "target": request.raw_path, "headers": headers,
         "size": len(body), "pid": os.getpid()}
    )

async def pieces(request):
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    try:
        await response.prepare(request)
        for piece in ("one", "two"):
            await until((NOTES / piece).exists)
            await response.write(piece.encode())
    except (asyncio.CancelledError, ConnectionError):
        (NOTES / "gone").touch()
        raise
    (NOTES / "done").touch()
    return response

async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)

async def elsewhere(request):
    response = web.Response(status=307, headers={"Location": "/echo", "Keep-Alive": "timeout=5"})
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response

async def die(request):
    print("farewell", flush=True)
    os._exit(3)

async def die_halfway(request):
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"half")
    await until((NOTES / "read").exists)
    os._exit(3)

app = web.Application(client_max_size=8 * 1024 * 1024)
app.router.add_get("/ready", ready)
app.router.add_get("/pieces", pieces)
app.router.add_get("/elsewhere", elsewhere)
app.router.add_get("/die", die)
app.router.add_get("/die-halfway", die_halfway)
app.router.add_route("*", "/{path:.*}", echo)
if __name__ == "__main__":
    port = int(os.environ["PORT"])
    web.run_app(app, host="127.0.0.1", port=port, print=None, handler_cancellation=True)
"""
RUN = "#!/bin/sh\nexec python -m app\n"
RUN_AS_A_WHOLE = "#!/bin/sh\nexec python app.py\n"
"""What it runs can't be forked."""
SITE = "https://example.com"
CORS = Cors((SITE,), ("GET", "POST"), ("x-api-key",), ("x-total",), max_age=300)


@dataclass(frozen=True)
class Site:
    """The function behind its URL; `notes` is where it leaves and looks for files."""

    url: URL
    http: aiohttp.ClientSession
    functions: Functions
    notes: Path

    def pids(self) -> list[int]:
        return self.functions.pids("Worker")

    def note(self, name: str) -> None:
        (self.notes / name).touch()

    def noted(self, name: str) -> bool:
        return (self.notes / name).exists()

    async def echo(self, target: str = "/echo", **options: Any) -> dict[str, Any]:
        async with self.http.get(target, **options) as response:
            assert response.status == 200
            said: dict[str, Any] = await response.json()
            return said


def web_function(root: Path, *, run: str = RUN, timeout: float = 20, mode: int = 0o755) -> Function:
    code, notes = root / "function", root / "notes"
    code.mkdir()
    notes.mkdir()
    (code / "app.py").write_text(SERVER)
    (code / "run.sh").write_text(run)
    (code / "run.sh").chmod(mode)
    variables = {
        "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
        "AWS_LWA_READINESS_CHECK_PATH": "/ready",
        "AWS_LWA_PORT": "8080",
        "NOTES": str(notes),
        "OWN": "1",
    }
    return Function("Worker", code, "run.sh", variables, timeout, 256)


@asynccontextmanager
async def serving(
    worker: Function, *, cors: Cors | None = None, strict: bool = False
) -> AsyncIterator[Site]:
    declared = FunctionUrl("WorkerUrl", worker.name, cors)
    async with (
        running(worker, environment={"PATH": "/usr/bin:/bin"}, python=sys.executable) as functions,
        FunctionUrlGateway(declared, functions, strict=strict) as gateway,
        aiohttp.ClientSession(gateway.url) as http,
    ):
        yield Site(URL(gateway.url), http, functions, worker.code.parent / "notes")
