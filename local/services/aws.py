"""S3, DynamoDB, SQS and Secrets Manager on loopback, in memory: a process of moto's."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any, cast

from local.processes.supervisor import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from local.processes.supervisor import Supervisor


class AwsError(RuntimeError):
    """The server could not be started."""


class Aws:
    """The runner's side: starts the server and knows its `url`."""

    def __init__(self, log: Path, supervisor: Supervisor) -> None:
        self._log = log
        self._supervisor = supervisor
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local.services.server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                start_new_session=True,
                text=True,
            )
        self._supervisor.watch(self._process.pid)
        port = cast("IO[str]", self._process.stdout).readline().strip()
        if not port:
            raise AwsError(f"The AWS services do not start: see {self._log}")
        self.url = f"http://127.0.0.1:{port}"

    def hold(self, policies: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """From now on a function may do what the statements by its name allow."""
        assert self._process is not None  # noqa: S101 - tells mypy that it was started
        said, heard = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        said.write(json.dumps(policies) + "\n")
        said.flush()
        heard.readline()

    def stop(self) -> None:
        if self._process is not None:
            self._process.communicate()
            self._process = None
