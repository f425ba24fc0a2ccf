"""Functions run as on Lambda, and nothing of them outlives the runner."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from local.runtime import functions as runtime
from local.template.model import Function
from tests.patience import until_async
from tests.unit.local.runtime.runtime_support import (
    do,
    function,
    gone,
    hang,
    hanging,
    logged,
    notes,
    reports,
    running,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


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
        await until_async(lambda: len(notes(tmp_path)) == 3)
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
        await until_async(lambda: notes(tmp_path))
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
    own = {"OWN": "1", "BOTH": "1"}
    worker = Function("Worker", plain.code, plain.handler, own, 20, 256, layers, log_level="DEBUG")
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
        "AWS_LAMBDA_LOG_LEVEL": "DEBUG",
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
        await until_async(lambda: notes(tmp_path))
        call.cancel()
        await asyncio.wait({call})
        (tmp_path / "go").touch()
        await until_async(lambda: reports(tmp_path))

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
