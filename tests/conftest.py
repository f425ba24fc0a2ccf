"""What all tests need of the process that runs them."""

from __future__ import annotations

import signal

import pytest
from _pytest.nodeid import NodeId

from tests.patience import PATIENCE
from tests.soak import SECONDS, Soak

SOAKED = pytest.StashKey[list[Soak]]()
SHARE = pytest.StashKey[float]()


def pytest_configure(config: pytest.Config) -> None:
    """Started in the background by a shell without job control, a process ignores Ctrl-C, and so
    does whatever it starts: tests that press it would wait in vain.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[SOAKED] = []
    config.stash[SHARE] = 0.0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Groups of tests, which pytest-xdist 3.8 writes where pytest 9.2 doesn't look for them.
    https://github.com/pytest-dev/pytest-xdist/issues/1386
    """
    for item in items if hasattr(config, "workerinput") else ():
        if group := item.get_closest_marker("xdist_group"):
            item._id = NodeId.parse(f"{item.nodeid}@{group.args[0]}")


def pytest_collection_finish(session: pytest.Session) -> None:
    soaked = [item for item in session.items if item.get_closest_marker("soak")]
    session.config.stash[SHARE] = SECONDS / max(1, len(soaked))
    for item in session.items:
        limit = item.get_closest_marker("timeout")
        seconds = float(limit.args[0] if limit else session.config.getini("timeout"))
        more = session.config.stash[SHARE] if item.get_closest_marker("soak") else 0.0
        item.add_marker(pytest.mark.timeout(seconds * PATIENCE + more), append=False)


@pytest.fixture
def soak(request: pytest.FixtureRequest) -> Soak:
    """How much a test marked `soak` is to do, which is told at the end of a soak."""
    told = Soak(request.node.name, request.config.stash[SHARE])
    request.config.stash[SOAKED].append(told)
    return told


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if SECONDS and config.stash[SOAKED]:
        terminalreporter.section("soaked")
        for told in config.stash[SOAKED]:
            terminalreporter.write_line(str(told))
