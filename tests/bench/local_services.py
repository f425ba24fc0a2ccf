"""What calls to the local services take, by one thread and by eight, and their share of a chunk."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import IO, TYPE_CHECKING, cast

from local.services import clients
from tests.audio import pcm
from tests.bench import services
from tests.bench.bench import ROOT, Bench, Measurement
from tests.bench.helpers import Helper
from tests.bench.results import Figure
from tests.bench.timing import interleaved, timed
from tests.bench.wires import ack_seconds
from tests.e2e.wire import CLOSE, connected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.services.clients import Clients

_NAME = "bench"
"""Of a bucket, a table and a queue that no function knows."""
_QUEUE_URL = f"http://127.0.0.1/123456789012/{_NAME}"
_KNOWN = "known"
"""The object and the item that are read."""
_CHUNK_BYTES = 24_000
_RATE = 44100
_DATA = pcm(rate=_RATE, channels=1, seconds=1.0)[:_CHUNK_BYTES]
_THREADS = (1, 8)
_WARMING_UP = 3


@dataclass(frozen=True)
class Operation:
    """`do` is given a name that nothing has yet."""

    name: str
    do: Callable[[Clients, str], object]
    calls: int = 1


@dataclass(frozen=True)
class Size:
    """How often an operation is done at a time by each thread, and how often that is repeated."""

    times: int
    rounds: int
    chunks: int


_SIZE, _QUICK = Size(25, 5, 100), Size(1, 1, 2)


def _put(to: Clients, name: str) -> None:
    to.s3.put_object(Bucket=_NAME, Key=name, Body=_DATA, IfNoneMatch="*")


def _get(to: Clients, _: str) -> None:
    to.s3.get_object(Bucket=_NAME, Key=_KNOWN)["Body"].read()


def _update(to: Clients, name: str) -> None:
    to.dynamodb.update_item(
        TableName=_NAME,
        Key={"pk": {"S": name}},
        UpdateExpression="ADD chunks :one",
        ConditionExpression="attribute_not_exists(sealed)",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="ALL_NEW",
    )


def _get_item(to: Clients, _: str) -> None:
    to.dynamodb.get_item(TableName=_NAME, Key={"pk": {"S": _KNOWN}}, ConsistentRead=True)


def _pass_message(to: Clients, name: str) -> None:
    to.sqs.send_message(QueueUrl=_QUEUE_URL, MessageBody=name)
    received = to.sqs.receive_message(QueueUrl=_QUEUE_URL).get("Messages")
    handle = received[0]["ReceiptHandle"] if received else "of nothing"
    to.sqs.delete_message(QueueUrl=_QUEUE_URL, ReceiptHandle=handle)


_OPERATIONS = (
    Operation("PutObject If-None-Match, 24 KB", _put),
    Operation("GetObject, 24 KB", _get),
    Operation("UpdateItem with a condition", _update),
    Operation("GetItem", _get_item),
    Operation("SendMessage, Receive-, Delete-", _pass_message, 3),
)


def _measure(bench: Bench) -> Iterator[Figure]:
    size = _QUICK if bench.quick else _SIZE
    moto = clients.connect(bench.stack.aws_endpoint_url)
    _prepare(moto)
    total = 2 * len(_THREADS) * size.rounds * len(_OPERATIONS)
    with (
        _noop_server() as noop,
        bench.progress("calls to the services and to a no-op server, by turns", total) as done,
    ):
        for operation in _OPERATIONS:
            yield from _calls(operation, {"moto": moto, "noop": noop}, size, done)
    yield asyncio.run(_share(bench, size.chunks))
    bench.settle()


def _prepare(moto: Clients) -> None:
    moto.s3.create_bucket(Bucket=_NAME)
    moto.s3.put_object(Bucket=_NAME, Key=_KNOWN, Body=_DATA)
    moto.dynamodb.create_table(
        TableName=_NAME,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    moto.dynamodb.put_item(TableName=_NAME, Item={"pk": {"S": _KNOWN}})
    moto.sqs.create_queue(QueueName=_NAME)


@contextmanager
def _noop_server() -> Iterator[Clients]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.noop_server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C is for the bench, which then ends this
        text=True,
    ) as server:
        port = cast("IO[str]", server.stdout).readline().strip()
        yield clients.connect(f"http://127.0.0.1:{port}")
        cast("IO[str]", server.stdin).close()


def _calls(
    operation: Operation, servers: dict[str, Clients], size: Size, done: Callable[[], None]
) -> Iterator[Figure]:
    ways = {
        f"{server}, {threads}": partial(_seconds, operation, to, threads, size.times)
        for threads in _THREADS
        for server, to in servers.items()
    }
    taken = interleaved(ways, size.rounds, done)
    for threads in _THREADS:
        moto, noop = taken[f"moto, {threads}"], taken[f"noop, {threads}"]
        yield Figure(
            f"{operation.name}, {threads} thread{'s' * (threads > 1)}, over a no-op server",
            moto / noop,
            seen={"calls/s": 1 / moto, "no-op calls/s": 1 / noop},
        )


def _seconds(operation: Operation, to: Clients, threads: int, times: int) -> float:
    """Of a call, all threads together."""
    names = [str(uuid.uuid4()) for _ in range(threads * times)]
    with ThreadPoolExecutor(threads) as pool:
        taken = timed(lambda: list(pool.map(partial(operation.do, to), names)))
    return taken / (len(names) * operation.calls)


async def _share(bench: Bench, chunk_count: int) -> Figure:
    """By turns a chunk goes over the wire, and one to the message function's handler in a process
    of its own, which knows how long its calls take.
    """
    acks, handled = list[float](), list[dict[str, float]]()
    total = _WARMING_UP + chunk_count
    stack = bench.stack
    async with connected(stack, sample_rate=_RATE, api_key=stack.api_key) as wire:
        with (
            Helper(
                "tests.bench.chunk_calls",
                wire.session_id,
                environment=services.environment(stack.aws_endpoint_url),
            ) as handler,
            bench.progress("chunks over the wire and to the handler, by turns", total) as done,
        ):
            for number in range(total):
                acks.append(await ack_seconds(wire, _DATA, 2 * number))
                handled.append(handler.do("chunk", seq=2 * number + 1))
                done()
        await wire.ask(CLOSE)
        await wire.receive()
    return _share_figure(acks[_WARMING_UP:], handled[_WARMING_UP:])


def _share_figure(acks: list[float], handled: list[dict[str, float]]) -> Figure:
    calls = median(each["calls"] for each in handled)
    return Figure(
        "the local services' share of an acknowledged chunk",
        calls / median(acks),
        unit="",
        seen={
            "from send to ack, ms": 1000 * median(acks),
            "the handler alone, ms": 1000 * median(each["whole"] for each in handled),
            "its calls, ms": 1000 * calls,
            "calls": median(each["count"] for each in handled),
        },
    )


MEASUREMENT = Measurement(
    "services",
    "calls to the local services, by one thread and by eight, and their share of a chunk",
    65,
    "boto3's calls to the services of a running stack, by turns with a server that does nothing "
    "and answers with nothing, which leaves boto3's own work. Calls a second are of all threads "
    "together, in one process. The share is that of the message function's calls, from a request's "
    "sending until its response is read, in the time from a chunk's sending to its acknowledgement "
    "over the WebSocket.",
    _measure,
)
