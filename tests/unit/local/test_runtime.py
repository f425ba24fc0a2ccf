"""Functions run as on Lambda, whatever they do, and nothing of them outlives the runner."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from local import environment, runtime
from local.logs import Logs
from local.model import Function, Invocation
from local.processes import is_alive
from local.runtime import Functions
from local.runtime_api import PAYLOAD_LIMIT, NotTakenError, Request, RuntimeApi
from tests.unit.local.gateway_fakes import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

# A handler that does what its event says.
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
    await until(lambda: len(notes(root)) == count)
    return [int(pid) for pid in notes(root)]


async def gone(*pids: int) -> None:
    await until(lambda: not any(is_alive(pid) for pid in pids))


async def test_a_handler_gets_its_event_and_its_context(tmp_path: Path) -> None:
    async with running(function(tmp_path, timeout=7)) as functions:
        result = await do(functions, "context", text="schön")

    assert result.error is None
    seen = result.payload
    assert seen["event"] == {"do": "context", "text": "schön"}
    assert seen["arn"].startswith("arn:aws:lambda:eu-west-1:")
    assert seen["arn"].endswith(":function:Worker")
    assert len(seen["request_id"]) == 36
    assert 5000 < seen["remaining_ms"] <= 7000
    assert seen["trace"].startswith("Root=1-")


async def test_a_process_that_is_free_is_used_again(tmp_path: Path) -> None:
    async with running(function(tmp_path)) as functions:
        first, second, third = [(await do(functions, "pid")).payload for _ in range(3)]
        assert functions.pids("Worker") == [first]

    assert first == second == third
    cold, *warm = [report["metrics"] for report in reports(tmp_path)]
    assert cold["initDurationMs"] > 0
    assert all("initDurationMs" not in metrics for metrics in warm)


async def test_calls_at_once_get_processes_of_their_own_up_to_the_limit(tmp_path: Path) -> None:
    files = {"notes": str(tmp_path / "notes"), "go": str(tmp_path / "go")}
    async with running(function(tmp_path), concurrency=3) as functions:
        calls = [
            asyncio.create_task(do(functions, "turn", name=number, **files)) for number in range(5)
        ]
        await until(lambda: len(notes(tmp_path)) == 3)
        assert len(functions.pids("Worker")) == 3
        (tmp_path / "go").touch()
        results = await asyncio.gather(*calls)
        assert {result.payload for result in results} == set(functions.pids("Worker"))

    assert sorted(notes(tmp_path)[3:]) == ["3", "4"]


async def test_calls_that_wait_are_served_in_order(tmp_path: Path) -> None:
    files = {"notes": str(tmp_path / "notes"), "go": str(tmp_path / "go")}
    (tmp_path / "go").touch()
    async with running(function(tmp_path), concurrency=1) as functions:
        await asyncio.gather(*(do(functions, "turn", name=n, **files) for n in range(6)))

    assert notes(tmp_path) == ["0", "1", "2", "3", "4", "5"]


async def test_a_timeout_ends_the_process_and_all_of_its_children(tmp_path: Path) -> None:
    worker = function(tmp_path, timeout=1)
    async with running(worker) as functions:
        result = await hang(functions, tmp_path, False, True)
        pids = await hanging(tmp_path, 3)
        await gone(*pids)
        assert (await do(functions, "pid")).payload not in pids

    assert result.error == "Timeout"
    assert result.message.endswith("Task timed out after 1.00 seconds")
    assert [report["status"] for report in reports(tmp_path)] == ["timeout", "success"]


async def test_a_process_that_leaves_is_an_error_and_is_replaced(tmp_path: Path) -> None:
    async with running(function(tmp_path)) as functions:
        result = await do(functions, "leave")
        assert (await do(functions, "pid")).error is None

    assert result.error == "Exit"
    assert result.message.endswith("Runtime exited with error: exit status 3")


async def test_a_process_killed_in_a_call_is_an_error(tmp_path: Path) -> None:
    async with running(function(tmp_path)) as functions:
        call = hang(functions, tmp_path, False)
        pid, child = await hanging(tmp_path, 2)
        os.kill(pid, signal.SIGKILL)
        result = await call
        await gone(child)

    assert result.error == "Exit"
    assert result.message.endswith("Runtime exited with error: signal: killed")


async def test_killing_a_process_that_is_free_costs_a_cold_start(tmp_path: Path) -> None:
    async with running(function(tmp_path)) as functions:
        first = (await do(functions, "pid")).payload
        os.kill(first, signal.SIGKILL)
        await until(lambda: not functions.pids("Worker"))
        second = await do(functions, "pid")

    assert second.error is None
    assert second.payload != first


async def test_a_request_that_a_dead_process_never_took_goes_to_another() -> None:
    api = RuntimeApi()
    address = await api.open()
    try:
        async with aiohttp.ClientSession() as client:
            asking = asyncio.create_task(
                client.get(f"http://{address}/2018-06-01/runtime/invocation/next")
            )
            await asyncio.wait_for(api.initialised, 10)
            asking.cancel()
            await asyncio.wait({asking})
        request = Request(b"{}", "arn", 3)
        api.submit(request)
        api.process_ended("signal: killed")
        with pytest.raises(NotTakenError):
            await request.outcome
    finally:
        await api.close()


async def test_an_answer_to_another_request_is_refused() -> None:
    api = RuntimeApi()
    base = f"http://{await api.open()}/2018-06-01/runtime/invocation"
    try:
        async with aiohttp.ClientSession() as client:
            request = Request(b'{"a": 1}', "arn", 3)
            api.submit(request)
            async with client.get(f"{base}/next") as following:
                assert await following.json() == {"a": 1}
            async with client.post(f"{base}/{request.id[::-1]}/response", data=b"1") as stale:
                assert stale.status == 400
            async with client.post(f"{base}/{request.id}/response", data=b"2") as answer:
                assert answer.status == 202
        assert await request.outcome == Invocation(2)
    finally:
        await api.close()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise RuntimeError('SECRET is missing')", "RuntimeError: SECRET is missing"),
        ("import nowhere", "Runtime.ImportModuleError: Unable to import module 'app'"),
        ("def handle(): ...", "Runtime.HandlerNotFound: Handler 'handler' missing"),
        ("x = = 1", "Runtime.UserCodeSyntaxError"),
        ("import os; os._exit(4)", "Runtime exited with error: exit status 4"),
    ],
)
async def test_a_start_that_fails_says_why_and_is_tried_again(
    tmp_path: Path, source: str, message: str
) -> None:
    worker = function(tmp_path, source)
    async with running(worker) as functions:
        results = [await do(functions, "pid") for _ in range(2)]
        (worker.code / "app.py").write_text(HANDLER)
        assert (await do(functions, "pid")).error is None

    for result in results:
        assert result.error == "Init"
        assert message in result.message


async def test_a_start_does_not_count_against_the_timeout(tmp_path: Path) -> None:
    worker = function(tmp_path, f"import time; time.sleep(1.2)\n{HANDLER}", timeout=1)
    async with running(worker) as functions:
        assert (await do(functions, "pid")).error is None

    assert reports(tmp_path)[0]["metrics"]["initDurationMs"] > 1200


async def test_a_start_that_never_ends_runs_into_the_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "INIT_LIMIT", 0.2)
    worker = function(tmp_path, "import time; time.sleep(60)", timeout=0.2)
    async with running(worker) as functions:
        assert (await do(functions, "pid")).error == "Timeout"


async def test_code_that_is_gone_is_an_error_of_the_start(tmp_path: Path) -> None:
    worker = function(tmp_path)
    worker.code.rename(tmp_path / "elsewhere")
    async with running(worker) as functions:
        result = await do(functions, "pid")

    assert result.error == "Init"
    assert str(worker.code) in result.message


async def test_an_exception_is_told_and_the_process_goes_on(tmp_path: Path) -> None:
    async with running(function(tmp_path)) as functions:
        before = await do(functions, "pid")
        result = await do(functions, "fail")
        after = await do(functions, "pid")

    assert result == Invocation(error="Unhandled", message="ValueError: no such luck")
    assert before.payload == after.payload


async def test_a_response_that_is_no_json_is_an_error(tmp_path: Path) -> None:
    async with running(function(tmp_path)) as functions:
        result = await do(functions, "opaque")

    assert result.error == "Unhandled"
    assert result.message.startswith("The response is no JSON")


async def test_payloads_have_a_limit_each_way(tmp_path: Path) -> None:
    quotes = len('""')
    async with running(function(tmp_path)) as functions:
        largest = await do(functions, "repeat", times=PAYLOAD_LIMIT - quotes)
        larger = await do(functions, "repeat", times=PAYLOAD_LIMIT - quotes + 1)
        request = await do(functions, "pid", padding="x" * PAYLOAD_LIMIT)
        assert (await do(functions, "pid")).error is None

    assert largest.error is None
    assert (larger.error, request.error) == ("TooLarge", "TooLarge")
    assert larger.message.startswith("Response payload size exceeded")
    assert request.message.startswith("Request payload size exceeded")


async def test_a_change_of_source_is_in_effect_at_the_next_call(tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    (layer / "package").mkdir(parents=True)
    module = layer / "package/__init__.py"
    module.write_text("VALUE = 1\n")
    app = "import package\ndef handler(event, context): return [package.VALUE, 1]\n"
    plain = function(tmp_path, app)
    worker = Function(plain.name, plain.code, plain.handler, {}, 20, 128, (layer,))
    async with running(worker) as functions:
        assert (await do(functions, "")).payload == [1, 1]

        # Of the same size and in the same second, for which Python would take its old bytecode.
        changed = module.stat().st_mtime_ns
        module.write_text("VALUE = 2\n")
        os.utime(module, ns=(changed, changed - changed % 1_000_000_000 + 1))
        assert (await do(functions, "")).payload == [2, 1]

        (worker.code / "app.py").write_text(app.replace("1]", "'new']"))
        assert (await do(functions, "")).payload == [2, "new"]
        assert len(functions.pids("Worker")) == 1


async def test_a_call_that_runs_finishes_on_the_source_that_it_began_with(tmp_path: Path) -> None:
    worker = function(tmp_path)
    files = {"notes": str(tmp_path / "notes"), "go": str(tmp_path / "go")}
    async with running(worker) as functions:
        call = asyncio.create_task(do(functions, "turn", name="old", **files))
        await until(lambda: notes(tmp_path))
        (worker.code / "app.py").write_text("def handler(event, context): return 'new'\n")
        assert (await do(functions, "pid")).payload == "new"
        (tmp_path / "go").touch()
        old = await call
        assert (await do(functions, "pid")).payload == "new"
        assert old.payload not in functions.pids("Worker")


async def test_without_watch_source_is_read_once(tmp_path: Path) -> None:
    worker = function(tmp_path)
    async with running(worker, watch=False) as functions:
        first = await do(functions, "pid")
        (worker.code / "app.py").write_text("def handler(event, context): return 'new'\n")
        second = await do(functions, "pid")

    assert first.payload == second.payload


async def test_a_function_sees_lambdas_environment_and_nothing_of_the_shells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "Impostor")
    monkeypatch.setenv("PYTHONSTARTUP", "mine.py")
    layers = tmp_path / "core", tmp_path / "tools"
    plain = function(tmp_path)
    worker = Function(
        "Worker", plain.code, plain.handler, {"OWN": "1", "BOTH": "1"}, 20, 256, layers
    )
    shared = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "BOTH": "2", "PATH": "/opt/tools"}
    async with running(worker, environment=shared) as functions:
        seen = (await do(functions, "variables")).payload

    core, tools = map(str, layers)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    expected = {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{version}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_NAME": "Worker",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/Worker",
        "AWS_REGION": "eu-west-1",
        "BOTH": "1",
        "LAMBDA_TASK_ROOT": str(worker.code),
        "OWN": "1",
        "PATH": f"{core}/bin:{tools}/bin:/opt/tools",
        "PYTHONPATH": f"{core}:{core}/python:{tools}:{tools}/python",
        "TZ": ":UTC",
        "_HANDLER": "app.handler",
        "cwd": str(worker.code),
    }
    assert expected.items() <= seen.items()
    assert not {"AWS_PROFILE", "PYTHONSTARTUP"} & seen.keys()


async def test_a_caller_that_gives_up_does_not_stop_the_function(tmp_path: Path) -> None:
    files = {"notes": str(tmp_path / "notes"), "go": str(tmp_path / "go")}
    async with running(function(tmp_path)) as functions:
        call = asyncio.create_task(do(functions, "turn", name="1", **files))
        await until(lambda: notes(tmp_path))
        call.cancel()
        await asyncio.wait({call})
        (tmp_path / "go").touch()
        await until(lambda: reports(tmp_path))

    assert [report["status"] for report in reports(tmp_path)] == ["success"]


async def test_closing_ends_calls_that_run_and_all_of_their_children(tmp_path: Path) -> None:
    async with running(function(tmp_path)) as functions:
        call = hang(functions, tmp_path, False, True)
        pids = await hanging(tmp_path, 3)

    await gone(*pids)
    await asyncio.wait({call})
    assert call.cancelled()


async def test_what_has_been_free_for_long_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "REAP_EVERY", 0.01)
    monkeypatch.setattr(runtime, "IDLE_LIMIT", 0.05)
    async with running(function(tmp_path)) as functions:
        pid = (await do(functions, "pid")).payload
        await gone(pid)
        assert (await do(functions, "pid")).error is None


async def test_output_and_reports_are_in_the_log(tmp_path: Path) -> None:
    async with running(function(tmp_path)) as functions:
        await do(functions, "say", words="two\nlines")
        await do(functions, "fail")

    lines = logged(tmp_path)
    assert {line["function"] for line in lines} == {"Worker"}
    assert [line["message"] for line in lines if "message" in line] == ["two", "lines"]
    assert [line["errorType"] for line in lines if line.get("level") == "ERROR"] == ["ValueError"]
    success, failure = reports(tmp_path)
    assert success["status"] == "success"
    assert success["metrics"]["memorySizeMB"] == 256
    assert success["metrics"]["billedDurationMs"] >= success["metrics"]["durationMs"]
    assert (failure["status"], failure["errorMessage"]) == ("error", "ValueError: no such luck")
