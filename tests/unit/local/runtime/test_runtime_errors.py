"""Whatever a function does, the caller learns what became of it, and the next call works."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import aiohttp
import pytest

from local.runtime import environment
from local.runtime.runtime_api import PAYLOAD_LIMIT, NotTakenError, Request, RuntimeApi
from local.template.model import Invocation
from tests.patience import until_async
from tests.unit.local.runtime.runtime_support import (
    HANDLER,
    do,
    function,
    gone,
    hang,
    hanging,
    reports,
    running,
)

if TYPE_CHECKING:
    from pathlib import Path


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
        await until_async(lambda: not functions.pids("Worker"))
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
            await api.initialised
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
