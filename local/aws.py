"""S3, DynamoDB, SQS and Secrets Manager on loopback, in memory: moto, in a process of its own.

`python -m local.aws` serves on a free port, which is the first line it prints, until its standard
input ends: so it doesn't outlive whoever started it. A line that comes there holds functions'
policies, and is answered by one when they are in force.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from local.guard import Guard
    from local.permissions import Policies

REGION = "us-east-1"
ACCOUNT = "123456789012"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": REGION,
}
IN_MEMORY = 8 * 1024 * 1024
"""Bytes of a request that are held in memory before it is read from disk."""


class AwsError(RuntimeError):
    """The server could not be started."""


class Aws:
    """The runner's side: starts the server and knows its `url`."""

    def __init__(self, log: Path, guard: Guard) -> None:
        self._log = log
        self._guard = guard
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local.aws"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=Path(__file__).parent.parent,
                start_new_session=True,
                text=True,
            )
        self._guard.watch(self._process.pid)
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


class OneAtATime:
    """Lets each service answer one request at a time, for moto's data structures know no threads.

    With threads that switch often, moto alone lets two writers win a conditional write, in DynamoDB
    and in S3, in 2 or 3 of 100 rounds of 16, and fails now and then; by its source, a message sent
    to a queue while another is deleted may be lost. What takes long stays outside: a request's body
    arrives before its turn, the response leaves after it, and a long poll gives up its turn while
    it waits. As Python runs one thread at a time anyway, this costs nothing that can be measured.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._turns = {name: threading.Lock() for name in ("dynamodb", "s3", "sqs", "other")}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with received(environ), self._turns[service(environ)]:
            return self._app(environ, start_response)

    @contextmanager
    def aside(self, name: str) -> Iterator[None]:
        """For one whose turn it is: lets others have theirs."""
        self._turns[name].release()
        try:
            yield
        finally:
            self._turns[name].acquire()


def service(environ: WSGIEnvironment) -> str:
    """By the signature's scope, `…/us-east-1/sqs/aws4_request`; presigned requests are for S3."""
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    for name in ("dynamodb", "sqs", "s3"):
        if f"/{name}/aws4_request" in authorization:
            return name
    return "other" if authorization else "s3"


@contextmanager
def received(environ: WSGIEnvironment) -> Iterator[None]:
    """Replaces the request's stream by its complete body."""
    from werkzeug.wsgi import get_input_stream  # noqa: PLC0415 - the server's side only

    with SpooledTemporaryFile(max_size=IN_MEMORY) as body:
        shutil.copyfileobj(get_input_stream(environ), body)
        body.seek(0)
        environ["wsgi.input"] = body
        yield


def wait_aside(turns: OneAtATime) -> None:
    """Makes moto's long poll wait outside its turn, and look 20 times a second.

    What comes back by a visibility timeout or a delay wakes nobody, so how often it looks matters.
    moto itself would not wait at all while a FIFO queue has messages that wait for one before them.
    """
    from moto.sqs import models  # noqa: PLC0415 - the server's side only

    def wait_for_messages(self: models.Queue, _timeout: float) -> None:
        with turns.aside("sqs"), self._messages_lock:
            self._messages_lock.wait(0.05)

    models.Queue.wait_for_messages = wait_for_messages  # type: ignore[method-assign,assignment]
    # Asked four times of each message at each look; moto's own takes 20 x longer.
    models.unix_time_millis = now_ms  # type: ignore[attr-defined,assignment]


def now_ms(_: object = None) -> float:
    return time.time() * 1000


def serve() -> None:
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415 - 0.3 s, for the server only
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server  # noqa: PLC0415

    from local.permissions import HeldToPolicies, Policies  # noqa: PLC0415 - it needs this module

    allow_many_files()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    policies = Policies()
    moto = cast("Any", DomainDispatcherApplication(create_backend_app))
    turns = OneAtATime(HeldToPolicies(moto, policies))
    wait_aside(turns)
    server = make_server("127.0.0.1", 0, turns, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=obey_stdin, args=(policies,), daemon=True).start()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    server.serve_forever()


def allow_many_files() -> None:
    """moto holds one open for each object of 5 MB or more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def obey_stdin(policies: Policies) -> None:
    for line in sys.stdin:
        policies.enforce(json.loads(line))
        sys.stdout.write("in force\n")
        sys.stdout.flush()
    os._exit(0)  # whoever asks at this moment has no use for the answer


if __name__ == "__main__":
    serve()
