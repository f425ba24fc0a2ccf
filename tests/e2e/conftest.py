"""The stacks that end-to-end tests talk to, which end in three ways: nothing is left of any.

The tests of a stack run in one worker, one after the other, and those of another in another one.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.newcomer import Newcomer, arrived
from tests.e2e.stack import Stack, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STACKS = ("stack", "tuned", "newcomer")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        used: list[str] = getattr(item, "fixturenames", [])
        for name in STACKS:
            if "e2e" in item.path.parts and name in used:
                item.add_marker(pytest.mark.xdist_group(name))


def home(factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder of the run's only stack of that name: another worker's would cost as much again."""
    run = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run = run.parent
    folder = run / name
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """As a newcomer's is."""
    with running(home(tmp_path_factory, "stack"), ending=signal.SIGTERM) as up:
        yield up


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """As strict as AWS and telling all it can. It misses a killed worker after seconds, and tries a
    job as often as it takes.
    """
    with running(
        home(tmp_path_factory, "tuned"),
        "--strict",
        ending=signal.SIGKILL,
        LogLevel="DEBUG",
        CloseSettleSeconds=0,
        MaxConcurrentSessions=10_000,
        JobTimeoutSeconds=30,
        JobVisibilityTimeoutSeconds=30,  # some die before they could hold their job
        LiveWorkerTimeoutSeconds=30,  # the same
        WorkerMissedSeconds=5,
        JobAttempts=1000,
    ) as up:
        yield up


@pytest.fixture(scope="session")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """Has a copy of the project, in which `make run` runs until Ctrl-C."""
    with arrived(home(tmp_path_factory, "newcomer") / "project") as somebody:
        yield somebody
