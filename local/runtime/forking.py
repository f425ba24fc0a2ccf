"""The process that a function's environments are forked from: it initialises the function, and then
only forks. Started by its path, for it runs with the function's packages and not with ours:

    forking.py --handler HANDLER    AWS's runtime client, whose loop each fork runs
    forking.py -m MODULE …          a web server in Python, which each fork runs from its first line
    forking.py …                    any other program: Python's own, and nothing is forked
    forking.py --preload MODULE …   no function yet: each fork becomes a `forking.py` of its own, by
                                    SNAPSHOT_ARGUMENTS, that has these modules already

The socket SNAPSHOT_CONTROL, of type SOCK_SEQPACKET, gets one JSON object a message. First `ready`,
or `failed` or `unsafe` with a reason. Then each `{"fork": number, "variables": {…}}` that comes,
with descriptors for the fork's output and for a SNAPSHOT_CONTROL of its own if it is to have one,
is answered by `{"fork": number, "pid": …}` and, when the fork has ended, `{"fork": number,
"status": …}`. When the socket is closed, this process ends, and no fork does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

# The native part of AWS's client reads its address when it is imported: each fork imports it.
sys.modules["runtime_client"] = None  # type: ignore[assignment]

from awslambdaric import (  # type: ignore[import-untyped]  # noqa: E402
    bootstrap,
    lambda_runtime_client,
    lambda_runtime_hooks_runner,
)

MESSAGE_LIMIT = 64 * 1024
STDOUT, STDERR = 1, 2


class Control:
    """Talks to the runner. `forks` returns in each fork only."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.set_inheritable(False)
        self._process = os.getpid()

    def say(self, **message: Any) -> None:
        self._socket.send(json.dumps(message).encode())

    def begin(self) -> None:
        """The function is initialised. Ends the process if it can't be forked from."""
        if os.getpid() != self._process:
            os._exit(0)  # a copy that the function has made of itself
        if reason := self._unsafe():
            self.say(unsafe=reason)
            os._exit(0)
        sys.stdout.flush()
        sys.stderr.flush()
        # What is there now is shared with all forks; looking for garbage in it would copy it.
        gc.collect()
        gc.freeze()
        self.say(ready=True)
        self._fork_on_demand()

    def _fork_on_demand(self) -> None:
        running: dict[int, tuple[int, int]] = {}  # by a descriptor that tells of the end
        waiting = select.poll()
        waiting.register(self._socket, select.POLLIN)
        while True:
            for descriptor, _ in waiting.poll():
                if descriptor == self._socket.fileno():
                    message, given, *_ = socket.recv_fds(self._socket, MESSAGE_LIMIT, 2)
                    if not message:
                        os._exit(0)
                    order = json.loads(message)
                    pid = os.fork()
                    if pid == 0:
                        self._become(order, given, running)
                        return
                    for each in given:
                        os.close(each)
                    end = os.pidfd_open(pid)
                    running[end] = order["fork"], pid
                    waiting.register(end, select.POLLIN)
                else:
                    number, pid = running.pop(descriptor)
                    waiting.unregister(descriptor)
                    os.close(descriptor)
                    _, status = os.waitpid(pid, 0)
                    self.say(fork=number, status=os.waitstatus_to_exitcode(status))

    def _become(
        self, order: dict[str, Any], given: list[int], others: dict[int, tuple[int, int]]
    ) -> None:
        """A process of its own: session, output, variables, and chance."""
        output, *control = given
        os.setsid()
        os.dup2(output, STDOUT)
        os.dup2(output, STDERR)
        os.close(output)
        for descriptor in others:
            os.close(descriptor)
        self.say(fork=order["fork"], pid=os.getpid())
        self._socket.close()
        os.environ.update(order["variables"])
        for descriptor in control:
            os.environ["SNAPSHOT_CONTROL"] = str(descriptor)
        reseed()

    def _unsafe(self) -> str | None:
        """What can't be in two processes, if the function has any of it."""
        threads = [one.name for one in threading.enumerate() if one is not threading.main_thread()]
        if len(list(Path("/proc/self/task").iterdir())) > 1:
            return f"it has started threads ({', '.join(threads) or 'of a library'})"
        if has_children():
            return "it has started processes"
        if connections := sockets() - {self._socket.fileno()}:
            return f"it has opened {len(connections)} connections"
        return None


class RuntimeClient(lambda_runtime_client.LambdaRuntimeClient):  # type: ignore[misc]
    """AWS's, told that the function has SnapStart: so it asks to be restored when the function is
    initialised, and is in each fork of this process.
    """

    def __init__(self, control: Control) -> None:
        super().__init__("")
        self._control: Control | None = control

    def restore_next(self) -> None:
        if self._control is not None:
            self._control.begin()
        self._control = None
        self.lambda_runtime_address = os.environ["AWS_LAMBDA_RUNTIME_API"]
        load_native_client()

    def post_init_error(self, report: dict[str, Any], kind: str | None = None) -> None:
        if self._control is None:
            super().post_init_error(report, kind)
        else:
            self._control.say(failed=f"{report['errorType']}: {report['errorMessage']}")


def load_native_client() -> None:
    del sys.modules["runtime_client"]
    client = importlib.import_module("runtime_client")
    client.initialize_client(lambda_runtime_client._user_agent())  # noqa: SLF001 - as AWS's does
    lambda_runtime_client.runtime_client = client


def reseed() -> None:
    """Python does it for `random` itself; `secrets` and `uuid4` ask the system each time. `uuid1`
    would ask the C library, which in forks of the same microsecond says the same.
    """
    if uuid := sys.modules.get("uuid"):
        vars(uuid)["_generate_time_safe"] = None  # Python's own way is left
    if numpy_random := sys.modules.get("numpy.random"):
        numpy_random.seed()


def has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def sockets() -> set[int]:
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the folder's own, closed by now
            if str(descriptor.readlink()).startswith("socket:"):
                found.add(int(descriptor.name))
    return found


def serve(control: Control, module: str) -> None:
    """What the program and the function's own modules import is there before the first fork."""
    importlib.import_module(module)
    for own in sorted(Path.cwd().glob("*.py")):
        importlib.import_module(own.stem)
    lambda_runtime_hooks_runner.run_before_snapshot()
    control.begin()
    lambda_runtime_hooks_runner.run_after_restore()
    del sys.modules[module]  # its lines are yet to be run
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def preload(control: Control, modules: list[str]) -> None:
    """Goes on in each fork, as a process would that is started with its variables."""
    for module in modules:
        importlib.import_module(module)
    control.begin()
    os.chdir(os.environ["LAMBDA_TASK_ROOT"])
    sys.path[1:1] = filter(None, os.environ["PYTHONPATH"].split(os.pathsep))
    main(json.loads(os.environ.pop("SNAPSHOT_ARGUMENTS")))


def main(arguments: list[str]) -> None:
    control = int(os.environ.pop("SNAPSHOT_CONTROL"))
    sys.path[0] = str(Path.cwd())  # instead of this file's folder
    match arguments:
        case ["--handler", handler]:
            bootstrap.run(handler, RuntimeClient(Control(control)))
        case ["-m", module, *_]:
            sys.argv = arguments[1:]
            serve(Control(control), module)
        case ["--preload", *modules]:
            preload(Control(control), modules)
        case _:
            os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - it is Python


if __name__ == "__main__":
    main(sys.argv[1:])
