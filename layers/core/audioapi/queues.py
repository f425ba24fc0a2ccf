"""SQS: sending a job, and putting one off."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import time
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from audioapi.observe import logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from multiprocessing.connection import Connection

    from mypy_boto3_sqs import SQSClient

_CORRELATION_ID, _TIMES, _FIRST_SENT = "correlation_id", "times_sent_again", "first_sent"
_LONGEST_RETRY_SECONDS = 300
_LONGEST_WAIT_SECONDS = 30  # all of its group wait with it
# 12 h counted from when the message was received, which a function's time-out may lie back.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
_LONGEST_VISIBILITY_SECONDS = 12 * 3600 - 900
_SOONEST_SECONDS = 0.001  # 0 would take the alarm back


@cache
def client() -> SQSClient:
    return boto3.client("sqs")


def send(queue_url: str, message: Mapping[str, Any], *, delay_seconds: int = 0) -> None:
    """Sends a message, and with it what its work's log lines are to be found by."""
    client().send_message(
        QueueUrl=queue_url,
        MessageBody=json.dumps(message),
        DelaySeconds=delay_seconds,
        MessageAttributes=_attributes(),
    )


def send_in_order(
    queue_url: str, message: Mapping[str, Any], *, group: str, deduplication: str
) -> None:
    """To a FIFO queue, which takes no delay: a `group`'s messages come in order, and one with the
    same `deduplication` as another of the last five minutes is taken and dropped.
    """
    client().send_message(
        QueueUrl=queue_url,
        MessageBody=json.dumps(message),
        MessageGroupId=group,
        MessageDeduplicationId=deduplication,
        MessageAttributes=_attributes(),
    )


def send_again(queue_url: str, record: Mapping[str, Any]) -> None:
    """Sends what a function's record says once more, after 1, 2, 4 … 300 seconds by how often that
    was done, with the time of the first. In a FIFO queue it comes behind those of its group, and
    it is for whoever receives it to wait: see `early`.
    """
    group, times = record["attributes"].get("MessageGroupId"), _times(record)
    if group:  # what was received twice, and fails twice, is sent once
        place: Any = {"MessageGroupId": group, "MessageDeduplicationId": record["messageId"]}
    else:
        place = {"DelaySeconds": pause(times)}
    client().send_message(
        QueueUrl=queue_url,
        MessageBody=record["body"],
        MessageAttributes={
            **_attributes(),
            _TIMES: {"DataType": "Number", "StringValue": str(times + 1)},
            _FIRST_SENT: {"DataType": "Number", "StringValue": str(first_sent(record))},
        },
        **place,
    )


def early(record: Mapping[str, Any]) -> int:
    """The seconds that are to be waited still for what a function's record says, which was sent
    again: a FIFO queue takes no delay, so its messages wait when they are received first.
    """
    attributes = record["attributes"]
    waited = "MessageGroupId" not in attributes or int(attributes["ApproximateReceiveCount"]) > 1
    if waited or not (times := _times(record)):
        return 0
    return min(pause(times - 1), _LONGEST_WAIT_SECONDS)


def _times(record: Mapping[str, Any]) -> int:
    """How often it was sent again."""
    return int(_attribute(record, _TIMES) or 0)


def first_sent(record: Mapping[str, Any]) -> int:
    """When what it says was sent, in epoch milliseconds."""
    return int(_attribute(record, _FIRST_SENT) or record["attributes"]["SentTimestamp"])


def _attribute(record: Mapping[str, Any], name: str) -> str | None:
    found: str | None = record["messageAttributes"].get(name, {}).get("stringValue")
    return found


def correlation_id(record: Mapping[str, Any]) -> str:
    """That of the request, or the message, with which began what a function's record is about."""
    return str(_attribute(record, _CORRELATION_ID) or record["messageId"])


def _attributes() -> dict[str, Any]:
    known = logger.get_correlation_id()
    return {_CORRELATION_ID: {"DataType": "String", "StringValue": known}} if known else {}


def retry_soon(queue_url: str, receipt_handle: str, *, attempt: int) -> None:
    """Makes a message visible again after 1, 2, 4 … 300 seconds by its attempt, so that a failure
    the code saw never waits for the visibility timeout, which must outlast the longest job.
    """
    retry_in(queue_url, receipt_handle, seconds=pause(attempt - 1))


def pause(times: int) -> int:
    """Seconds until it is tried again, by how often it was."""
    return min(1 << times, _LONGEST_RETRY_SECONDS)


def retry_in(queue_url: str, receipt_handle: str, *, seconds: float) -> None:
    """Makes a message visible again after `seconds`, of which SQS allows not quite 12 hours."""
    client().change_message_visibility(
        QueueUrl=queue_url,
        ReceiptHandle=receipt_handle,
        VisibilityTimeout=min(math.ceil(seconds), _LONGEST_VISIBILITY_SECONDS),
    )


@contextmanager
def held(queue_url: str, receipt_handle: str, *, seconds: float) -> Iterator[None]:
    """Keeps a message from others for as long as this process lives, and `seconds` longer: a dead
    worker is missed then, and not when the visibility timeout ends, which must outlast its work. A
    worker for which that can't be done any more, so that another may have its message, is killed.

    A process does it, as a thread would get no turn for as long as PocketSphinx decodes: seconds,
    on a processor that is shared. It is forked, which costs milliseconds, from a worker that has
    no other threads. Lambda has no shared memory for more of `multiprocessing` than this.
    https://aws.amazon.com/blogs/compute/parallel-processing-in-python-with-aws-lambda/
    """
    client()  # made here, for all holders to come
    fork = multiprocessing.get_context("fork")
    end, ours = fork.Pipe(duplex=False)  # an end comes when we close ours, or die

    def hold() -> None:
        ours.close()
        client().close()  # its connection is the worker's: another one is opened
        _hold(queue_url, receipt_handle, seconds=seconds, end=end)

    holder = fork.Process(target=hold, daemon=True)
    holder.start()
    end.close()
    try:
        yield
    finally:
        ours.close()
        holder.join()  # or it might take back what is said of the message next


def _hold(queue_url: str, receipt_handle: str, *, seconds: float, end: Connection) -> None:
    _kill_worker_in(seconds, end)  # also if no answer comes: it may have been carried out
    while True:
        asked_at = time.monotonic()
        try:
            retry_in(queue_url, receipt_handle, seconds=seconds)
        except (BotoCoreError, ClientError) as error:
            logger.warning("a message can't be held", reason=str(error))
        else:
            _kill_worker_in(asked_at + seconds - time.monotonic(), end)
        if end.poll(seconds / 3):
            return


def _kill_worker_in(seconds: float, end: Connection) -> None:
    """Unless it is put off before, or the work has ended. An alarm, as a call may hang for longer,
    and as a machine that is starved stops us, too.
    """
    worker = os.getppid()

    def lost(*_: object) -> None:
        if end.poll(0):
            return
        logger.error("a message could not be held: its worker ends, as another may have it")
        os.kill(worker, signal.SIGKILL)

    signal.signal(signal.SIGALRM, lost)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, _SOONEST_SECONDS))
