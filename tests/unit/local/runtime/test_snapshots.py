"""A function is initialised once; its environments are forks, and share no chance or connection."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from local.processes.sessions import is_alive
from local.runtime import environment
from tests.patience import until_async
from tests.unit.local.runtime.runtime_support import (
    HANDLER,
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

    from local.runtime.functions import Functions

CHANCE = """
import os, random, secrets, uuid
STARTED = os.getpid()
RANDOM = random.Random()
uuid.uuid1(), uuid.uuid4(), random.random(), secrets.token_hex()

def handler(event, context):
    with open(event["notes"], "a") as file:
        file.write("here ")
    while not os.path.exists(event["go"]):
        pass
    return {
        "initialised_in": STARTED,
        "pid": os.getpid(),
        "session": os.getsid(0),
        "stream": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
        "random": random.random(),
        "uuid1": str(uuid.uuid1()),
        "uuid4": str(uuid.uuid4()),
        "secret": secrets.token_hex(),
    }
"""
FORKED = {"initialised_in"}
"""What environments have in common."""


async def at_once(functions: Functions, root: Path, count: int) -> list[dict[str, Any]]:
    """What so many environments say of themselves that are all busy at a time."""
    files = {"notes": str(root / "notes"), "go": str(root / "go")}
    calls = [asyncio.create_task(do(functions, "", **files)) for _ in range(count)]
    await until_async(lambda: len(notes(root)) == count)
    (root / "go").touch()
    return [(await call).payload for call in calls]


async def test_environments_are_forks_of_one_initialisation(tmp_path: Path) -> None:
    async with running(function(tmp_path, CHANCE)) as functions:
        said = await at_once(functions, tmp_path, 4)
        assert {one["initialised_in"] for one in said} == {functions.snapshot_pid("Worker")}

    for one in said:
        assert one["pid"] == one["session"] != one["initialised_in"]
    for name in said[0].keys() - FORKED:
        assert len({one[name] for one in said}) == 4, f"{name} crossed a fork"


async def test_numpys_chance_crosses_no_fork(tmp_path: Path) -> None:
    source = CHANCE.replace("import os,", "import numpy, os,").replace(
        "random.random(),\n", "float(numpy.random.random()),\n"
    )
    async with running(function(tmp_path, source)) as functions:
        said = await at_once(functions, tmp_path, 3)
        assert functions.snapshot_pid("Worker") is not None

    assert len({one["random"] for one in said}) == 3


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import threading; threading.Thread(target=STOP.wait, daemon=True).start()", "threads"),
        ("import socket; KEPT = socket.create_server(('127.0.0.1', 0))", "connections"),
        ("import subprocess; KEPT = subprocess.Popen(['sleep', '60'])", "processes"),
    ],
)
async def test_what_cannot_be_in_two_processes_is_told_and_started_as_a_whole(
    tmp_path: Path, source: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = f"import threading\nSTOP = threading.Event()\n{source}"
    async with running(function(tmp_path, f"{source}\n{HANDLER}")) as functions:
        first = await do(functions, "pid")
        await until_async(lambda: functions.snapshot_pid("Worker") is None)
        assert first.payload in functions.pids("Worker")
        os.kill(first.payload, signal.SIGKILL)
        await until_async(lambda: not functions.pids("Worker"))
        assert (await do(functions, "pid")).error is None

    told = [message for message in caplog.messages if "can't be forked" in message]
    assert len(told) == 1
    assert "Worker" in told[0]
    assert reason in told[0]


async def test_a_function_that_forks_itself_is_started_as_a_whole(tmp_path: Path) -> None:
    source = f"import os, time\nif os.fork() == 0:\n    time.sleep(60)\n{HANDLER}"
    async with running(function(tmp_path, source)) as functions:
        assert (await do(functions, "pid")).error is None
        await until_async(lambda: functions.snapshot_pid("Worker") is None)


async def test_a_snapshot_that_is_killed_is_made_anew(tmp_path: Path) -> None:
    files = {"notes": str(tmp_path / "notes"), "go": str(tmp_path / "go")}
    async with running(function(tmp_path)) as functions:
        busy = asyncio.create_task(do(functions, "turn", name="1", **files))
        await until_async(lambda: notes(tmp_path))
        killed = functions.snapshot_pid("Worker")
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        await until_async(lambda: functions.snapshot_pid("Worker") is None)
        another = await do(functions, "pid")
        assert another.error is None
        assert functions.snapshot_pid("Worker") not in (None, killed)
        (tmp_path / "go").touch()
        assert (await busy).error is None, "what runs goes on"


async def test_an_environment_that_outlived_its_snapshot_is_missed_when_it_dies(
    tmp_path: Path,
) -> None:
    async with running(function(tmp_path)) as functions:
        call = hang(functions, tmp_path)
        (pid,) = await hanging(tmp_path, 1)
        snapshot = functions.snapshot_pid("Worker")
        assert snapshot is not None
        os.kill(snapshot, signal.SIGKILL)
        await until_async(lambda: functions.snapshot_pid("Worker") is None)
        os.kill(pid, signal.SIGKILL)
        assert (await call).error == "Exit"


@pytest.mark.parametrize(
    "source", ["raise RuntimeError", "import os; os._exit(4)", "import os; os.kill(os.getpid(), 9)"]
)
async def test_nothing_is_left_of_a_start_that_fails(tmp_path: Path, source: str) -> None:
    async with running(function(tmp_path, source)) as functions:
        assert (await do(functions, "pid")).error == "Init"
        await until_async(lambda: functions.snapshot_pid("Worker") is None)


async def test_nothing_is_left_of_a_start_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "INIT_LIMIT", 0.2)
    source = f"open({str(tmp_path / 'notes')!r}, 'a').write(f'{{__import__(\"os\").getpid()}} ')"
    worker = function(tmp_path, f"{source}\nimport time; time.sleep(60)", timeout=3)
    async with running(worker) as functions:
        call = asyncio.create_task(do(functions, "pid"))
        await until_async(lambda: notes(tmp_path))
        assert (await call).error == "Timeout"
        await gone(*map(int, notes(tmp_path)))


async def test_a_change_makes_a_new_snapshot_and_ends_the_old_one(tmp_path: Path) -> None:
    worker = function(tmp_path)
    files = {"notes": str(tmp_path / "notes"), "go": str(tmp_path / "go")}
    async with running(worker) as functions:
        call = asyncio.create_task(do(functions, "turn", name="old", **files))
        await until_async(lambda: notes(tmp_path))
        old = functions.snapshot_pid("Worker")
        assert old is not None
        (worker.code / "app.py").write_text("def handler(event, context): return 'new'\n")
        assert (await do(functions, "pid")).payload == "new"
        await gone(old)
        (tmp_path / "go").touch()
        assert (await call).error is None, "what runs finishes on the code that it began with"


async def test_a_restored_environment_tells_how_long_that_took(tmp_path: Path) -> None:
    source = f"import time; time.sleep(0.5)\n{HANDLER}"
    async with running(function(tmp_path, source)) as functions:
        first = (await do(functions, "pid")).payload
        os.kill(first, signal.SIGKILL)
        await until_async(lambda: not functions.pids("Worker"))
        await do(functions, "pid")

    initialised, restored = (report["metrics"]["initDurationMs"] for report in reports(tmp_path))
    assert initialised > 500 > restored


async def test_what_is_printed_before_and_after_the_fork_is_in_the_log(tmp_path: Path) -> None:
    async with running(function(tmp_path, f"print('at the start')\n{HANDLER}")) as functions:
        await do(functions, "say", words="in a call")

    said = [line["message"] for line in logged(tmp_path) if "message" in line]
    assert said == ["at the start", "in a call"]


async def test_snapshots_can_be_done_without(tmp_path: Path) -> None:
    async with running(function(tmp_path), snapshots=False) as functions:
        assert (await do(functions, "pid")).error is None
        assert functions.snapshot_pid("Worker") is None


async def test_a_snapshot_that_nobody_uses_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from local.runtime import functions as runtime  # noqa: PLC0415 - the name is taken below

    monkeypatch.setattr(runtime, "REAP_EVERY", 0.01)
    monkeypatch.setattr(runtime, "IDLE_LIMIT", 0.05)
    async with running(function(tmp_path)) as functions:
        await do(functions, "pid")
        await until_async(lambda: functions.snapshot_pid("Worker") is None)
        assert not functions.pids("Worker")
        assert (await do(functions, "pid")).error is None


async def test_hooks_run_before_the_snapshot_and_after_each_restore(tmp_path: Path) -> None:
    source = """
import os
from snapshot_restore_py import register_after_restore, register_before_snapshot
CALLED = []
register_before_snapshot(lambda: CALLED.append(["before", os.getpid()]))
register_after_restore(lambda: CALLED.append(["after", os.getpid()]))
def handler(event, context): return [os.getpid(), CALLED]
"""
    async with running(function(tmp_path, source)) as functions:
        pid, called = (await do(functions, "")).payload
        assert called == [["before", functions.snapshot_pid("Worker")], ["after", pid]]


async def test_a_hook_that_fails_after_the_restore_is_an_error_of_the_start(tmp_path: Path) -> None:
    source = "from snapshot_restore_py import register_after_restore\n"
    source += f"@register_after_restore\ndef fail(): raise ValueError('no such luck')\n{HANDLER}"
    async with running(function(tmp_path, source)) as functions:
        outcome = await do(functions, "pid")

    assert (outcome.error, "no such luck" in outcome.message) == ("Init", True)


async def test_no_fork_outlives_the_runner(tmp_path: Path) -> None:
    async with running(function(tmp_path)) as functions:
        call = hang(functions, tmp_path, False, True)
        pids = await hanging(tmp_path, 3)
    await asyncio.wait({call})
    await until_async(lambda: not any(map(is_alive, pids)))
