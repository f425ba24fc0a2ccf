"""`sam local` in a process of its own, and Docker, which it needs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.processes.ports import free_port
from local.services.clients import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SAM = str(Path(sys.executable).parent / "sam")
IMAGE = "public.ecr.aws/lambda/python:3.13-x86_64"
START_SECONDS = 60
STOP_SECONDS = 120
"""Containers are asked to end one after the other."""


class SamLocalError(Exception):
    """`sam local` can't be run, or doesn't start; the message says why."""


def need_docker() -> None:
    if sys.platform != "linux":
        raise SamLocalError("Only on Linux do containers reach this machine by Docker's bridge")
    if (found := _docker("info", "--format", "{{.ServerVersion}}")).returncode != 0:
        reason = found.stderr.strip() or "it does not answer"
        raise SamLocalError(f"Docker is needed, running and reachable by you: {reason}")


def bridge() -> str:
    """This machine's address for containers."""
    form = "{{(index .IPAM.Config 0).Gateway}}"
    return _docker("network", "inspect", "bridge", "--format", form).stdout.strip()


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise SamLocalError("Docker is needed, and there is no `docker` here") from error


def _pull() -> Sequence[str]:
    """SAM asks the registry for a newer base image each time, unless told that ours will do."""
    there = _docker("image", "inspect", IMAGE).returncode == 0
    return ("--skip-pull-image",) if there else ()


def _environment() -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return mine | CREDENTIALS | {"SAM_CLI_TELEMETRY": "0"}


@contextmanager
def serving(template: Path, log: Path, *options: str) -> Iterator[str]:
    """The URL of a `sam local start-api`, which is gone with its containers afterwards."""
    port = str(free_port())
    command = [SAM, "local", "start-api", "--template", str(template), "--port", port]
    command += ["--warm-containers", "LAZY", *_pull(), *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=_environment()
        )
    try:
        _await(process, int(port), log)
        yield f"http://127.0.0.1:{port}"
    finally:
        # Not Ctrl-C's signal: it is ignored by what a shell started in the background.
        process.terminate()
        process.wait(STOP_SECONDS)


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
        else:
            return
    raise SamLocalError(f"sam local start-api does not start: {log.read_text()}")


def invoke(template: Path, function: str, event: Path, *options: str) -> Any:
    """What the function returned, as `sam local invoke` prints it."""
    command = [SAM, "local", "invoke", function, "--template", str(template)]
    done = subprocess.run(
        [*command, "--event", str(event), *_pull(), *options],
        capture_output=True,
        text=True,
        env=_environment(),
        check=False,
    )
    if done.returncode != 0:
        raise SamLocalError(f"sam local invoke {function}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])
