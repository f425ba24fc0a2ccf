"""A runner that is killed with SIGKILL leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil

from local.processes import supervisor
from local.processes.supervisor import Supervisor
from tests.integration.local.programs import all_gone, program
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

# Starts a function's process, which has a child in its own session (as a shell's job) and one in a
# session of its own (as FFmpeg), and prints every process's id.
RUNNER = """
import json, os, subprocess, sys, time
from pathlib import Path
from local.processes.supervisor import Supervisor

record = Path(sys.argv[1])
supervisor = Supervisor(record)
record.write_text(json.dumps({"pid": os.getpid()}))
function = '''
import subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
children = [subprocess.Popen(sleep), subprocess.Popen(sleep, env={}, start_new_session=True)]
print(*[child.pid for child in children], flush=True)
time.sleep(600)
'''
leader = subprocess.Popen(
    [sys.executable, "-c", function], stdout=subprocess.PIPE, start_new_session=True, text=True
)
supervisor.watch(leader.pid)
print(supervisor._process.pid, leader.pid, leader.stdout.readline(), flush=True)
time.sleep(600)
"""
# Takes its farewell for a minute, and says so.
STUBBORN = """
import signal, time
signal.signal(signal.SIGQUIT, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


@contextmanager
def stubborn() -> Iterator[subprocess.Popen[bytes]]:
    """In a session of its own, and deaf to SIGQUIT by now."""
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process
        finally:
            process.kill()


def test_a_killed_runner_leaves_no_process_and_no_record(tmp_path: Path) -> None:
    record = tmp_path / "stack.json"
    with program(RUNNER, record) as (runner, output):
        pids = list(map(int, output.readline().split()))
        assert len(pids) == 4
        runner.kill()
        until(all_gone(pids))
    assert not record.exists()


def test_the_guard_itself_ignores_what_ends_others(tmp_path: Path) -> None:
    with program(RUNNER, tmp_path / "stack.json") as (runner, output):
        pids = list(map(int, output.readline().split()))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pids[0], number)
        runner.kill()
        until(all_gone(pids))


def test_what_ends_by_itself_is_let_go(tmp_path: Path) -> None:
    record = tmp_path / "stack.json"
    with Supervisor(record) as guard:
        done = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
        guard.watch(done.pid)
        assert done.wait() == 0


def test_another_runners_record_stays(tmp_path: Path) -> None:
    record = tmp_path / "stack.json"
    with Supervisor(record):
        record.write_text(json.dumps({"pid": 1}))
    assert record.exists()


def test_a_farewell_that_is_not_heeded_is_followed_by_sigkill(tmp_path: Path) -> None:
    with program(STUBBORN) as (plain, _), Supervisor(tmp_path / "stack.json") as guard:
        with stubborn() as process:
            guard.watch(process.pid, signal.SIGQUIT)
            guard.close()
            assert process.wait() == -signal.SIGKILL
        assert plain.poll() is None, "a process of nobody's session was ended"


def test_nobody_is_spared_where_looking_for_survivors_takes_longer_than_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = count(step=60)
    slow = SimpleNamespace(monotonic=lambda: next(clock), sleep=time.sleep)
    monkeypatch.setattr(supervisor, "time", slow)
    with stubborn() as process:
        supervisor.end([supervisor.Session(psutil.Process(process.pid), signal.SIGQUIT)])
        assert process.wait() == -signal.SIGKILL
