"""What all tests need of the process that runs them."""

from __future__ import annotations

import gc
import os
import signal
from typing import TYPE_CHECKING

import hypothesis
import pytest
from _pytest.nodeid import NodeId

from tests.patience import PATIENCE
from tests.soak import SECONDS, Soak

if TYPE_CHECKING:
    from collections.abc import Generator

# To sign by awscrt, which is here for SAM's sake and in no layer, takes longer than by Python.
os.environ["BOTO_DISABLE_CRT"] = "true"

SOAKED = pytest.StashKey[list[Soak]]()
SHARE = pytest.StashKey[float]()

# Neither how long an example takes nor how long it takes to be found says anything here. The same
# are tried in each `make test`.
hypothesis.settings.register_profile(
    "tests",
    max_examples=25,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    """Started in the background by a shell without job control, a process ignores Ctrl-C, and so
    does whatever it starts: tests that press it would wait in vain.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[SOAKED] = []
    config.stash[SHARE] = 0.0


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end, so to look for garbage in it is in vain."""
    gc.disable()
    collected = yield
    gc.freeze()
    gc.enable()
    return collected


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    """Hypothesis's tests take part in a soak, whatever they are."""
    for item in items:
        if isinstance(item, pytest.Function) and hypothesis.is_hypothesis_test(item.obj):
            item.add_marker("soak")
    yield
    if hasattr(config, "workerinput"):
        keep_groups(items)


def keep_groups(items: list[pytest.Item]) -> None:
    """Of tests, which pytest-xdist 3.8 writes where pytest 9.2 doesn't look for them. Those of a
    file are one, or each worker would make what they share.
    https://github.com/pytest-dev/pytest-xdist/issues/1386
    """
    for item in items:
        marker = item.get_closest_marker("xdist_group")
        group = marker.args[0] if marker else item.path.stem
        item._id = NodeId.parse(f"{item.nodeid}@{group}")


def pytest_collection_finish(session: pytest.Session) -> None:
    soaked = [item for item in session.items if item.get_closest_marker("soak")]
    session.config.stash[SHARE] = SECONDS / max(1, len(soaked))
    for item in session.items:
        limit = item.get_closest_marker("timeout")
        seconds = float(limit.args[0] if limit else session.config.getini("timeout"))
        more = session.config.stash[SHARE] if item.get_closest_marker("soak") else 0.0
        item.add_marker(pytest.mark.timeout(seconds * PATIENCE + more), append=False)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """In a soak, tries new examples of hypothesis's again and again."""
    test = pyfuncitem.obj
    if not (SECONDS and hypothesis.is_hypothesis_test(test)):
        return None
    given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    for seed in told(pyfuncitem).seeds(1):
        hypothesis.seed(seed)(test)(**given)
    return True


@pytest.fixture
def soak(request: pytest.FixtureRequest) -> Soak:
    """How much a test marked `soak` is to do."""
    return told(request.node)


def told(item: pytest.Item) -> Soak:
    """A test's share of the soak, at whose end it is told what the test did."""
    share = Soak(item.name, item.config.stash[SHARE])
    item.config.stash[SOAKED].append(share)
    return share


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if SECONDS and config.stash[SOAKED]:
        terminalreporter.section("soaked")
        for share in config.stash[SOAKED]:
            terminalreporter.write_line(str(share))
