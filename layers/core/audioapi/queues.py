"""SQS: sending a job, and putting one off."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sqs import SQSClient

_LONGEST_RETRY_SECONDS = 300


@cache
def client() -> SQSClient:
    return boto3.client("sqs")


def send(queue_url: str, message: Mapping[str, Any], *, delay_seconds: int = 0) -> None:
    client().send_message(
        QueueUrl=queue_url, MessageBody=json.dumps(message), DelaySeconds=delay_seconds
    )


def retry_soon(queue_url: str, receipt_handle: str, *, attempt: int) -> None:
    """Makes a message visible again after 1, 2, 4 … 300 seconds by its attempt, so that a failure
    the code saw never waits for the visibility timeout, which must outlast the longest job.
    """
    seconds = min(2 ** (attempt - 1), _LONGEST_RETRY_SECONDS)
    client().change_message_visibility(
        QueueUrl=queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
    )
