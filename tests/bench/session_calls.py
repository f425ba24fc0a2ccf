"""A session through the functions' own handlers, every call that they make to AWS counted.

`python -m tests.bench.session_calls CHUNKS ACK_EVERY` has the functions' environment, and prints
as JSON the counts by `service:operation` of what is done for a message, to fold, and otherwise; how
many chunks were answered; and the bytes of the log lines about them.
"""

from __future__ import annotations

import io
import json
import sys
from collections import Counter, defaultdict
from contextlib import redirect_stdout
from typing import Any
from unittest.mock import patch

import boto3

from audioapi.streaming import chunks, store
from tests.bench import prices
from tests.bench.connection import Connection, Jobs


class Calls:
    """Counts the requests that go out, repeated ones too, by the phase they go out in: those with
    several items by these, if these are what is paid for.
    """

    def __init__(self) -> None:
        self.phase = ""
        self.phases: dict[str, Counter[str]] = defaultdict(Counter)
        boto3.setup_default_session()
        assert boto3.DEFAULT_SESSION
        boto3.DEFAULT_SESSION.events.register("before-send", self._count)

    def _count(self, event_name: str, request: Any, **_: Any) -> None:
        operation = ":".join(event_name.split(".")[1:3])
        items = prices.ITEMS.get(operation)
        self.phases[self.phase][operation] += items(json.loads(request.body)) if items else 1


def main() -> None:
    chunk_count, ack_every = map(int, sys.argv[1:])
    lines = io.StringIO()
    fold_every = min(chunks.FOLD_EVERY, chunk_count)  # a shorter session is folded once, too
    with redirect_stdout(lines), patch.object(chunks, "FOLD_EVERY", fold_every):
        found = counted(chunk_count, ack_every, lines)
    print(json.dumps(found))  # noqa: T201


def counted(chunk_count: int, ack_every: int, lines: io.StringIO) -> dict[str, Any]:
    """Of so many chunks after the first, with which the connection is looked up."""
    calls, answers, written = Calls(), 0, 0
    calls.phase = "session"
    connection_id = f"bench{ack_every}="
    connection, jobs = Connection(connection_id), Jobs()
    connection.connect(ack_every)
    store.note_greeted(connection_id)  # as the function does that greets it; here is no gateway
    connection.send_chunk(0)
    for seq in range(1, chunk_count + 1):
        calls.phase, start = "message", lines.tell()
        answers += connection.send_chunk(seq)
        written += lines.tell() - start
        calls.phase = "folding"
        jobs.do()
    calls.phase = "session"
    count = {"chunk_count": chunk_count + 1}
    connection.send({"type": "control", "action": "close_session", **count})
    jobs.do()
    return {"answers": answers, "log_bytes": written, **calls.phases}


if __name__ == "__main__":
    main()
