"""What the README tells to type is there, and CI or a test types it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path("README.md").read_text()
TARGETS = " ".join(re.findall(r"^([a-z0-9 -]+):.*## ", Path("Makefile").read_text(), re.MULTILINE))
IN_CI = re.findall(r"\bmake ([a-z-]+)", Path(".ci/run").read_text())
BY_A_TEST = {
    "run": "tests/e2e/test_readme.py",
    "logs": "tests/e2e/test_readme.py",
    "migrate": "tests/e2e/test_readme.py",
    "demo": "tests/integration/local/stack/test_stack.py",
    "soak": "tests/e2e/test_faults.py",
    "live-show": "tests/e2e/test_analysis.py",
    "bench": "tests/bench/test_bench.py",
    "openapi": "tests/integration/test_reference.py",
}
BY_ANOTHER_TARGET = {"scan": "check", "audit": "check", "typescript": "test", "ffmpeg": "build"}
FOR_PEOPLE = {"sam-local": "needs Docker", "deploy": "needs AWS", "lock": "asks the registry"}


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`?make ([a-z-]+)", README))))
def test_a_command_that_the_readme_names_is_tried(target: str) -> None:
    assert target in TARGETS.split()
    tried = {*IN_CI, *BY_A_TEST, *BY_ANOTHER_TARGET, *FOR_PEOPLE}
    assert target in tried
    if target in BY_A_TEST:
        assert Path(BY_A_TEST[target]).is_file()
    if target in BY_ANOTHER_TARGET:
        assert BY_ANOTHER_TARGET[target] in IN_CI
