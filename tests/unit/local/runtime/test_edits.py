"""Functions are edited, all at once, while they are called."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from local.runtime.functions import Functions
from local.runtime.logs import Logs
from local.template.model import Function

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.soak import Soak


def source(version: int) -> str:
    # Long enough that it isn't written at once.
    padding = f"# version {version}\n" * 5000
    return f"FIRST = {version}\n{padding}\ndef handler(event, context): return [FIRST, {version}]\n"


def edited(functions: Mapping[str, Function], version: int) -> None:
    for function in functions.values():
        (function.code / "app.py").write_text(source(version))


@pytest.mark.soak
async def test_each_call_sees_either_the_old_or_the_new_code(tmp_path: Path, soak: Soak) -> None:
    functions = {}
    for number in range(soak.count("functions", 4, 43)):
        code = tmp_path / str(number)
        code.mkdir()
        functions[str(number)] = Function(str(number), code, "app.handler", {}, 60, 128)
    edited(functions, 0)
    with Logs(tmp_path, console=None) as logs:
        async with Functions(functions, environment={}, logs=logs, region="eu-west-1") as running:
            for version in range(1, soak.count("edits", 2, 20) + 1):
                calls = [
                    asyncio.create_task(running.invoke(name, {}))
                    for name in functions
                    for _ in "ab"
                ]
                await asyncio.to_thread(edited, functions, version)
                for outcome in await asyncio.gather(*calls):
                    assert outcome.error is None, outcome.message
                    assert outcome.payload in ([version - 1] * 2, [version] * 2)
                after = await asyncio.gather(*(running.invoke(name, {}) for name in functions))
                assert [outcome.payload for outcome in after] == [[version] * 2] * len(functions)
