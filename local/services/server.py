"""The process that S3, DynamoDB, SQS and Secrets Manager are in: moto, with what it lacks.

`python -m local.services.server` serves on a free port, which is the first line it prints, until
its standard input ends: so it doesn't outlive whoever started it. A line that comes there holds
functions' policies, and is answered by one when they are in force.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import shutil
import sys
import threading
import time
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, cast

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.sqs import models
from werkzeug.serving import make_server
from werkzeug.wsgi import get_input_stream

from local.services.permissions import HeldToPolicies, Policies
from local.services.quick_moto import quicken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

IN_MEMORY = 8 * 1024 * 1024
"""Bytes of a request that are held in memory before it is read from disk."""


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
    with SpooledTemporaryFile(max_size=IN_MEMORY) as body:
        shutil.copyfileobj(get_input_stream(environ), body)
        body.seek(0)
        environ["wsgi.input"] = body
        yield


def wait_aside(turns: OneAtATime) -> None:
    """Makes moto's long poll wait outside its turn, and look 20 times a second at a queue that has
    messages: one that comes back by a visibility timeout or a delay wakes nobody.

    moto itself would not wait at all while a FIFO queue has messages that wait for one before them.
    """

    def wait_for_messages(self: models.Queue, timeout: float) -> None:
        with turns.aside("sqs"), self._messages_lock:
            self._messages_lock.wait(0.05 if self._messages else timeout)

    models.Queue.wait_for_messages = wait_for_messages  # type: ignore[method-assign]
    # Asked four times of each message at each look; moto's own takes 20 x longer.
    models.unix_time_millis = now_ms  # type: ignore[attr-defined,assignment]


def now_ms(_: object = None) -> float:
    return time.time() * 1000


def serve() -> None:
    quicken()
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
