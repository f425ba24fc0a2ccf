"""What all functions import is imported once; a function notices nothing but how soon it is up."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
import pytest

from local.processes.sessions import is_alive
from tests.patience import until_async
from tests.unit.local.runtime.runtime_support import HANDLER, do, function, gone, running

if TYPE_CHECKING:
    from pathlib import Path

    from local.runtime.functions import Functions

MODULE = "xml.dom.minidom"
"""That nothing here imports, nor AWS's client."""
LOOKING = f"""
import os, sys
THERE = {MODULE!r} in sys.modules
def handler(event, context):
    return [THERE, os.getcwd(), sys.path[:3], os.environ["OWN"], "SNAPSHOT_ARGUMENTS" in os.environ]
"""


def parent(functions: Functions) -> int:
    """Of the process that environments are forked from."""
    snapshot = functions.snapshot_pid("Worker")
    assert snapshot is not None
    return psutil.Process(snapshot).ppid()


async def test_a_function_starts_with_what_was_preloaded_and_is_otherwise_as_ever(
    tmp_path: Path,
) -> None:
    worker = replace(function(tmp_path, LOOKING), layers=(tmp_path / "layer",))
    async with running(worker) as functions:
        plain = (await do(functions, "")).payload
    async with running(worker, preload=[MODULE]) as functions:
        preloaded = (await do(functions, "")).payload
        assert parent(functions) != os.getpid()

    assert (plain[0], preloaded[0]) == (False, True)
    assert plain[1:] == preloaded[1:]


async def test_one_that_is_killed_is_made_anew_for_the_next_function(tmp_path: Path) -> None:
    worker = function(tmp_path)
    async with running(worker, preload=[MODULE]) as functions:
        await do(functions, "pid")
        killed, orphan = parent(functions), functions.snapshot_pid("Worker")
        os.kill(killed, signal.SIGKILL)
        await gone(killed)
        assert (await do(functions, "pid")).error is None, "what runs goes on"
        assert orphan is not None
        assert is_alive(orphan)

        (worker.code / "app.py").write_text(f"import time\n{HANDLER}")
        assert (await do(functions, "pid")).error is None
        assert parent(functions) not in (killed, os.getpid())
        await gone(orphan)


@pytest.mark.parametrize("own", ["function/xml", "layer/xml", "layer/python/xml"])
async def test_a_package_of_a_functions_own_is_not_preloaded_for_it(
    tmp_path: Path, own: str
) -> None:
    worker = replace(function(tmp_path, LOOKING), layers=(tmp_path / "layer",))
    (tmp_path / own).mkdir(parents=True)
    async with running(worker, preload=[MODULE]) as functions:
        assert (await do(functions, "")).payload[0] is False
        assert parent(functions) == os.getpid()


async def test_what_cannot_be_preloaded_hinders_nobody(tmp_path: Path) -> None:
    async with running(function(tmp_path), preload=["no_such_module"]) as functions:
        assert (await do(functions, "pid")).error is None
        await until_async(lambda: parent(functions) == os.getpid())
    assert "No module named 'no_such_module'" in (tmp_path / "logs/Preloaded.log").read_text()
