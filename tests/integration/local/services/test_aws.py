"""moto's server as the stack runs it: what it must keep even when many ask at once."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from local.services.aws import Aws
from local.services.clients import Clients, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.processes.supervisor import Supervisor

ROOT = Path(__file__).parents[4]
RUNNERS = 16
ROUNDS = 30
# Python switches threads every 5 ms, and races that need it sooner hide for a long time.
HASTY = "import sys; sys.setswitchinterval(1e-5); from local.services.server import serve; serve()"


@pytest.fixture(scope="module")
def hasty() -> Iterator[Clients]:
    server = subprocess.Popen(
        [sys.executable, "-c", HASTY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with server:
        assert server.stdout is not None
        yield connect(f"http://127.0.0.1:{server.stdout.readline().strip()}")
        server.communicate()


def winners(attempt: Callable[[], Any], lost: str) -> int:
    def wins(_: int) -> bool:
        try:
            attempt()
        except ClientError as error:
            if error.response["Error"]["Code"] != lost:
                raise
            return False
        return True

    with ThreadPoolExecutor(RUNNERS) as runners:
        return sum(runners.map(wins, range(RUNNERS)))


def test_exactly_one_of_many_conditional_writes_to_a_table_wins(hasty: Clients, name: str) -> None:
    hasty.dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def put(key: str) -> Callable[[], Any]:
        return lambda: hasty.dynamodb.put_item(
            TableName=name,
            Item={"id": {"S": key}},
            ConditionExpression="attribute_not_exists(id)",
        )

    won = [winners(put(str(n)), "ConditionalCheckFailedException") for n in range(ROUNDS)]
    assert won == [1] * ROUNDS


def test_exactly_one_of_many_puts_of_an_object_that_must_not_exist_wins(
    hasty: Clients, name: str
) -> None:
    hasty.s3.create_bucket(Bucket=name)

    def put(key: str) -> Callable[[], Any]:
        return lambda: hasty.s3.put_object(Bucket=name, Key=key, Body=b"x", IfNoneMatch="*")

    won = [winners(put(str(n)), "PreconditionFailed") for n in range(ROUNDS)]
    assert won == [1] * ROUNDS


def test_a_bucket_is_listed_while_it_fills(hasty: Clients, name: str) -> None:
    hasty.s3.create_bucket(Bucket=name)

    def put(number: int) -> None:
        hasty.s3.put_object(Bucket=name, Key=f"chunks/{number:04}", Body=b"x" * 5000)

    with ThreadPoolExecutor(4) as writers:
        filling = [writers.submit(put, number) for number in range(200)]
        seen = [0]
        while seen[-1] < len(filling):
            seen.append(hasty.s3.list_objects_v2(Bucket=name, Prefix="chunks/")["KeyCount"])
    assert seen == sorted(seen)


def test_a_message_ends_the_wait_for_one(clients: Clients, name: str) -> None:
    queue = clients.sqs.create_queue(QueueName=name)["QueueUrl"]
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(clients.sqs.receive_message, QueueUrl=queue, WaitTimeSeconds=20)
        started = time.monotonic()
        clients.sqs.send_message(QueueUrl=queue, MessageBody="hello")
        assert [message["Body"] for message in waiting.result()["Messages"]] == ["hello"]
    assert time.monotonic() - started < 5


def test_nobody_waits_for_one_who_waits_for_a_message(clients: Clients, name: str) -> None:
    queue = clients.sqs.create_queue(QueueName=name)["QueueUrl"]
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(clients.sqs.receive_message, QueueUrl=queue, WaitTimeSeconds=1)
        for _ in range(5):
            clients.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
        assert not waiting.done()


def test_a_presigned_url_gives_a_part_of_an_object(clients: Clients, name: str) -> None:
    clients.s3.create_bucket(Bucket=name)
    clients.s3.put_object(Bucket=name, Key="a b/ä.wav", Body=bytes(range(100)))
    url = clients.s3.generate_presigned_url(
        "get_object", Params={"Bucket": name, "Key": "a b/ä.wav"}, ExpiresIn=60
    )

    request = urllib.request.Request(url, headers={"Range": "bytes=10-19"})  # noqa: S310 - loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        assert answer.status == 206
        assert answer.headers["Content-Range"] == "bytes 10-19/100"
        assert answer.read() == bytes(range(10, 20))


def test_large_objects_come_back_whole(clients: Clients, name: str) -> None:
    clients.s3.create_bucket(Bucket=name)
    body = bytes(range(256)) * 40_000  # more than is held in memory on the way in
    clients.s3.put_object(Bucket=name, Key="large", Body=body)
    assert clients.s3.get_object(Bucket=name, Key="large")["Body"].read() == body


def test_the_server_ends_with_its_runner(tmp_path: Path, supervisor: Supervisor) -> None:
    server = Aws(tmp_path / "aws.log", supervisor)
    server.start()
    address = "127.0.0.1", int(server.url.rpartition(":")[2])
    socket.create_connection(address).close()
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
