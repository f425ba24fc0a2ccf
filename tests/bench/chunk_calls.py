"""Chunks through the message function's handler: what of that its calls to AWS take.

`python -m tests.bench.chunk_calls SESSION_ID` has the functions' environment. For each line,
`{"seq": …}`, it sends that chunk over the session's first connection, and prints as JSON the
seconds of all of it and of the calls, and how many these were.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import boto3

from audioapi.streaming import store
from tests.bench.connection import Connection
from tests.bench.timing import timed


class Calls:
    """Seconds from each request that goes out until its response is there and read."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._began = 0.0
        boto3.setup_default_session()
        assert boto3.DEFAULT_SESSION
        boto3.DEFAULT_SESSION.events.register("before-send", self._sent)
        boto3.DEFAULT_SESSION.events.register("response-received", self._received)

    def _sent(self, **_: Any) -> None:
        self._began = time.perf_counter()

    def _received(self, **_: Any) -> None:
        self.seconds.append(time.perf_counter() - self._began)


def main() -> None:
    calls = Calls()
    connection = Connection(store.connections(sys.argv[1])[0])
    for line in sys.stdin:
        seq = json.loads(line)["seq"]
        calls.seconds.clear()
        whole = timed(lambda: connection.send_chunk(seq))  # noqa: B023 - at once
        found = {"whole": whole, "calls": sum(calls.seconds), "count": len(calls.seconds)}
        print(json.dumps(found), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
