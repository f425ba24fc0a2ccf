"""The event of each of thirty requests is what AWS's documentation says it is.

`make sam-local` compares the same requests with `sam local`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.sam_local.cases import CASES, Case
from tests.sam_local.documented import expected, fields, misshapen
from tests.sam_local.events import Got, function_of, of_local

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def got() -> dict[str, Got]:
    return asyncio.run(of_local())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_request_becomes_the_documented_event(case: Case, got: dict[str, Got]) -> None:
    told = got[case.name]

    assert told.function == function_of(case)
    assert told.event is not None
    assert misshapen(told.event) == set()
    assert fields(told.event) == expected(case)


def test_without_docker_the_comparison_says_what_it_needs(tmp_path: Path) -> None:
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}
    command = [sys.executable, "-m", "tests.sam_local"]
    done = subprocess.run(command, env=os.environ | nowhere, capture_output=True, check=False)

    assert done.returncode == 2
    assert b"Docker" in done.stdout
