"""A function that does what its event says, and a runner for it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from local.processes.sessions import is_alive
from local.runtime.functions import Functions
from local.runtime.logs import Logs
from local.template.model import Function, Invocation
from tests.patience import until_async

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HANDLER = """
import os, subprocess, time
from pathlib import Path

def pid(event, context):
    return os.getpid()

def context(event, context):
    return {
        "event": event,
        "arn": context.invoked_function_arn,
        "request_id": context.aws_request_id,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "trace": os.environ["_X_AMZN_TRACE_ID"],
    }

def variables(event, context):
    return dict(os.environ) | {"cwd": os.getcwd()}

def fail(event, context):
    raise ValueError("no such luck")

def leave(event, context):
    os._exit(3)

def repeat(event, context):
    return "x" * event["times"]

def opaque(event, context):
    return b"\\xff"

def say(event, context):
    print(event["words"])

def hang(event, context):
    children = [
        subprocess.Popen(["sleep", "60"], start_new_session=apart) for apart in event["sessions"]
    ]
    note(event, " ".join(str(one) for one in (os.getpid(), *(child.pid for child in children))))
    time.sleep(60)

def turn(event, context):
    note(event, f"{event['name']}\\n")
    while not Path(event["go"]).exists():
        time.sleep(0.002)
    return os.getpid()

def note(event, text):
    with open(event["notes"], "a") as notes:
        notes.write(text)

def handler(event, context):
    return globals()[event["do"]](event, context)
"""


def function(root: Path, source: str = HANDLER, *, timeout: float = 20) -> Function:
    code = root / "function"
    code.mkdir()
    (code / "app.py").write_text(source)
    return Function("Worker", code, "app.handler", {"OWN": "1"}, timeout, 256)


@asynccontextmanager
async def running(worker: Function, **options: Any) -> AsyncIterator[Functions]:
    """A runner for `worker`, which must leave none of the processes that it started."""
    spawned: list[int] = []
    with Logs(worker.code.parent, console=None) as logs:
        async with Functions(
            {worker.name: worker},
            **{"environment": {}, "logs": logs, "region": "eu-west-1", **options},
            on_spawn=spawned.append,
        ) as functions:
            yield functions
    assert [pid for pid in spawned if is_alive(pid)] == []


async def do(functions: Functions, what: str, **more: Any) -> Invocation:
    return await functions.invoke("Worker", {"do": what, **more})


def reports(root: Path) -> list[dict[str, Any]]:
    return [line["record"] for line in logged(root) if line.get("type") == "platform.report"]


def logged(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "logs/Worker.log").read_text().splitlines()]


def notes(root: Path) -> list[str]:
    """The words that handlers have noted."""
    path = root / "notes"
    return path.read_text().split() if path.exists() else []


def hang(functions: Functions, root: Path, *sessions: bool) -> asyncio.Task[Invocation]:
    """A call that hangs, with a child for each of `sessions`, in a session of its own if true."""
    return asyncio.create_task(do(functions, "hang", notes=str(root / "notes"), sessions=sessions))


async def hanging(root: Path, count: int) -> list[int]:
    """The pids of a hanging handler and of its children, once there are `count` of them."""
    await until_async(lambda: len(notes(root)) == count)
    return [int(pid) for pid in notes(root)]


async def gone(*pids: int) -> None:
    await until_async(lambda: not any(is_alive(pid) for pid in pids))
